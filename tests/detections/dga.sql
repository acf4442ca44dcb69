-- fires: thirty names of random letters that do not exist
INSERT INTO dns BY NAME
SELECT * EXCLUDE i REPLACE (translate(left(md5(i::VARCHAR), 12), '0123456789abcdef', 'qzxjkvwpbghfcmuy') || '.com' AS query,
  translate(left(md5(i::VARCHAR), 12), '0123456789abcdef', 'qzxjkvwpbghfcmuy') || '.com' AS domain, 3 AS rcode, 'NXDOMAIN' AS rcode_name) FROM some_questions(30);
-- quiet: names that look like words and do not exist
INSERT INTO dns BY NAME
SELECT * EXCLUDE (i, w) REPLACE (w AS query, w AS domain, 3 AS rcode, 'NXDOMAIN' AS rcode_name)
FROM (SELECT *, ['flowermarket.com', 'bestcomputers.net', 'mountainhotel.org', 'cheapflights.info', 'sunnygarden.com', 'redcarpet.tv', 'oldtownbakery.com',
                 'streetartists.net', 'winterholiday.org', 'greenfields.com', 'silverstone.net', 'paperboat.org', 'countrymusic.info', 'harbourlights.com'][i + 1] AS w
      FROM some_questions(14));
-- quiet: three random names, as browsers ask
INSERT INTO dns BY NAME
SELECT * EXCLUDE i REPLACE ('qzxjkvw' || i || '.com' AS query, 'qzxjkvw' || i || '.com' AS domain, 3 AS rcode, 'NXDOMAIN' AS rcode_name) FROM some_questions(3);
-- quiet: random names that exist
INSERT INTO dns BY NAME
SELECT * EXCLUDE i REPLACE (left(md5(i::VARCHAR), 12) || '.com' AS query, left(md5(i::VARCHAR), 12) || '.com' AS domain) FROM some_questions(30);
