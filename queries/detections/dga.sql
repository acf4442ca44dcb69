-- name: dga
-- question: Who tries names that an algorithm made?
-- why: Malware that computes the domains of the day finds most of them unregistered. People and programs mistype names, too, but those look like
--   words. How unlike words they are is measured by pairs of letters.
-- kind: dga
-- horizon: capture
-- from: dns
-- only: dns: count(*) FILTER (rcode_name = 'NXDOMAIN' AND domain IS NOT NULL) >= $min_domains::BIGINT
-- params:
--   min_domains number 10 Different registered domains a client asked for within an hour that do not exist, at least; browsers probe with three.
--   min_surprise number 5.2 Mean surprise of a pair of letters in their names, bits, at least; English words have 3.7, names of companies 4.5, random letters 6.5.
-- innocent:
--   Black-list and reputation lookups, a browser's probes for catch-all answers, a script over a list of foreign or abbreviated names.
-- next:
--   Did one of the names exist and was it contacted afterwards (secnetmon flows --host CLIENT)?
-- references:
--   MITRE ATT&CK T1568.002; M. Antonakakis et al., From Throw-Away Traffic to Bots (USENIX Security 2012).
--   The model is counted by scripts/bigrams.py from SCOWL (Kevin Atkinson and others, free to use, copy, modify and distribute with its output).
-- columns:
--   first_ts First such question.
--   last_ts Last one.
--   src_ip Client.
--   dst_ip Server that was asked first.
--   count Different domains.
--   title A sentence.
--   reasons Number and surprise.
--   flow_ids Flows.
--   details Examples.
-- 29 rows of 29 characters: surprise of one letter after another (a-z, digit, hyphen, edge) in quarters of a bit above '('.
WITH model AS (
  SELECT 'P;9;GC<F<OA5;3O<O483?@BI@FGG;' ||
    '3;JI3OUM5GX2IJ4PZ6;E6MOZA^GG@' ||
    '3V@T5ZW47_7:TT2VL8A7:Y__BSGG;' ||
    ':GJ?2JAI3JU=FG9KX<:K=HF_CSGG.' ||
    ':E<4>BBHCOK9=6E@J22;GADADMGG5' ||
    '6LOR46QN2VT5QO4R\7?;5\S\>\GG=' ||
    '7NYP4O<:8WT:F>:OZ7;I;]M_BSGG.' ||
    '2FMK0ISL3SPABC3NW<?;:YE_=WGG7' ||
    ':A7<7?=RPSH9<07?K=67H=TJY=GGB' ||
    '0RRR2NRR6RNRRR1NRNKR0RNRRRGGF' ||
    '8CLI/FL@2NF:E<=FZA5G@ZCZ=ZGG4' ||
    '4GF?2FHN2YE5EI6FYN;>;EOU6WGG8' ||
    '29GR2IZO3_ZG:D56VL;Q:RQ_C\GG8' ||
    '8H975B1G8K@GJ?;JKI65ADKSFMGG5' ||
    '??<=CB<I?PB891:;O49:7=<FDJGG>' ||
    '4KMN2NQ86WO7KM59_4:;:\M_C\GG<' ||
    'HMQQQQQQEQQHQQMQQQMQ(QMQQQHHD' ||
    '4B?=2FAH4PBA>?6CR=7:<DIZ>UGG5' ||
    '<K<N7KO:9WD?@D==HO84=SE_E\GG-' ||
    '6JBQ2IP91XV?HI8M_78;<VF_>JGG5' ||
    ';<:<;A=P;PH583D;V446SITINGGGD' ||
    '3VTP,VTR1ZZLZT7TZLIQAJZZFZGGB' ||
    '1BK@2GL83ZE=H95GZ;9GIZLZFOGG:' ||
    '8M7S3MM<2SSIKM<3MMM4<CH??OGG4' ||
    '<B?B;HEH;QM>=>?=Y@9BFRDLUJGG+' ||
    '4JOM-UQD2UL<HJ9JQOLJBJJU@7GG9' ||
    '<<<<<<<<<<<<<<<<<<<<<<<<<<2<<' ||
    '8868;:<;;BB<9?>7G959>@=PHJGG_' ||
    '8868;:<;;BB<9?>7G959>@=PHJGG_' AS pairs),
missing AS (
  SELECT client_ip, domain, epoch_ns(ts) // 3600000000000 AS hour, min(ts) AS first_ts, max(ts) AS last_ts, arg_min(server_ip, flow_id) AS server_ip, min(flow_id) AS flow_id
  FROM dns
  WHERE capture_id = $capture::BIGINT AND ts BETWEEN $since::TIMESTAMP_NS AND $until::TIMESTAMP_NS AND service = 'dns'
    AND rcode_name = 'NXDOMAIN' AND domain IS NOT NULL
  GROUP BY ALL),
busy AS (
  SELECT * FROM missing SEMI JOIN (SELECT client_ip, hour FROM missing GROUP BY ALL HAVING count(*) >= $min_domains::BIGINT) USING (client_ip, hour)),
-- The name as numbers: edge, letters, edge.
named AS (
  SELECT *, split_part(domain, '.', 1) AS name,
         [28] || list_transform(string_split(split_part(domain, '.', 1), ''),
                   lambda c: CASE WHEN c BETWEEN 'a' AND 'z' THEN ascii(c) - 97 WHEN c BETWEEN '0' AND '9' THEN 26 ELSE 27 END) || [28] AS path
  FROM busy WHERE domain NOT LIKE 'xn--%'),
rated AS (
  SELECT n.*, list_avg(list_transform(list_zip(path[:-2], path[2:]), lambda p: p[1] * 29 + p[2] + 1)
                       .list_transform(lambda i: (ascii(pairs[i]) - 40) / 4)) AS surprise
  FROM named n, model),
hours AS (
  SELECT client_ip, hour, count(*) AS n, avg(surprise) AS surprise, min(first_ts) AS first_ts, max(last_ts) AS last_ts, arg_min(server_ip, flow_id) AS dst_ip,
         list(domain ORDER BY surprise DESC, domain)[:10] AS examples, list(DISTINCT flow_id ORDER BY flow_id)[:25] AS flow_ids,
         avg(length(name)) AS mean_length
  FROM rated GROUP BY ALL)
SELECT first_ts, last_ts, client_ip AS src_ip, dst_ip, n AS count,
       concat(client_ip, ' asked for ', n, ' domains that do not exist and look made up, such as ', examples[1], ' and ', examples[2]) AS title,
       [{'name': 'missing_domains', 'value': n::DOUBLE, 'threshold': $min_domains::DOUBLE, 'weight': least(0.5, 0.25 + 0.005 * n)},
        {'name': 'letter_surprise_bits', 'value': round(surprise, 2), 'threshold': $min_surprise::DOUBLE, 'weight': least(0.7, 0.4 + 0.2 * (surprise - $min_surprise::DOUBLE))}] AS reasons,
       flow_ids, to_json({'examples': examples, 'mean_length': round(mean_length, 1)})::VARCHAR AS details
FROM hours
WHERE n >= $min_domains::BIGINT AND surprise >= $min_surprise::DOUBLE
QUALIFY row_number() OVER (PARTITION BY client_ip ORDER BY n DESC, hour) = 1
ORDER BY n DESC, client_ip;
