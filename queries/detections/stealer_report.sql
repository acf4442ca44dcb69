-- name: stealer_report
-- question: Which programs mail or upload a report that is named after the machine and its user?
-- why: Keyloggers and password stealers write home by mail or FTP, and their keeper has to tell the victims apart: so the subject or the file is
--   named after user and machine, often behind a code for what is in it. People name their mails otherwise, and their mail programs number them.
-- kind: exfiltration
-- technique: T1048.003
-- horizon: capture
-- from: smtp or ftp
-- params:
--   min_machine number 3 Letters of a machine's name, at least: shorter ones are in too many words.
-- innocent:
--   A scanner, a camera or a backup program that mails its state under its own name; a script of an administrator.
-- next:
--   Which program on the host sends it? Read the mail or file (secnetmon flows --follow ID): passwords, keys pressed and pictures of the screen give it away.
--   Change what was in it, and the password of the mailbox or server that it went through.
-- references:
--   MITRE ATT&CK T1048.003, T1056.001, T1555.
--   Fortinet, Analysis of New Agent Tesla Spyware Variant (2018); R. Brooks, zeek-agenttesla-detector (Malcolm).
-- columns:
--   first_ts First report.
--   last_ts Last one.
--   src_ip Who sends.
--   dst_ip The server it goes to.
--   dst_port At which port.
--   protocol Over what.
--   count Reports.
--   severity high with a code that stealers use, medium when it names itself, low by the naming alone.
--   title A sentence.
--   reasons What is said about the name.
--   flow_ids Flows.
--   details Names of the reports, and to whom they went.
WITH said AS (
  SELECT capture_id, flow_id, ts, 'SMTP' AS over, subject AS name, helo, message_id IS NULL AND user_agent IS NULL AS by_hand, rcptto AS receivers
  FROM smtp WHERE capture_id = $capture::BIGINT AND ts BETWEEN $since::TIMESTAMP_NS AND $until::TIMESTAMP_NS AND subject IS NOT NULL AND received_count = 0
  UNION ALL
  SELECT capture_id, flow_id, ts, 'FTP', regexp_extract(argument, '[^/\\]+$'), NULL, false, []
  FROM ftp WHERE capture_id = $capture::BIGINT AND ts BETWEEN $since::TIMESTAMP_NS AND $until::TIMESTAMP_NS
    AND command IN ('STOR', 'STOU', 'APPE') AND coalesce(reply_code, 226) < 400),
-- USER/MACHINE or USER-MACHINE, a code of two letters before it or not, a time and an extension behind it or not.
formed AS (
  SELECT *, regexp_matches(name, '^([A-Z]{2}_)?[^/_|:]{1,32}[/-][A-Za-z0-9-]{3,15}(_\d{4}_\d\d_\d\d_\d\d_\d\d_\d\d)?(\.[a-z]{3,4})?$') AS names_both,
         -- Passwords, keys pressed, screens, cookies.
         regexp_matches(name, '^(PW|KL|SC|CO)_') AS coded,
         regexp_matches(name, '_\d{4}_\d\d_\d\d_\d\d_\d\d_\d\d\.(html|zip|jpe?g|png|txt)$') AS stamped,
         -- The machine's bare name; mail servers greet with a full one.
         len(coalesce(helo, '')) >= $min_machine::BIGINT AND NOT contains(helo, '.') AND lower(helo) <> 'localhost' AND contains(lower(name), lower(helo)) AS own_name,
         regexp_matches(lower(name), 'key ?logger|stealer|(recovered|stolen) (passwords|accounts)|\| ?passwords ?\||keystrokes') AS confessed
  FROM said),
rated AS (
  SELECT w.src_ip, w.dst_ip, w.dst_port, w.protocol, w.direction, coalesce(w.hostname, w.dst_ip) AS place, s.*
  FROM formed s JOIN flows w ON w.capture_id = s.capture_id AND w.flow_id = s.flow_id
  WHERE w.direction = 'outbound' AND (s.names_both OR s.own_name OR s.confessed))
SELECT min(ts) AS first_ts, max(ts) AS last_ts, src_ip, dst_ip, dst_port, protocol, count(*) AS count,
       CASE WHEN bool_or(coded AND names_both) THEN 'high' WHEN NOT bool_or(confessed) THEN 'low' END AS severity,
       concat(src_ip, ' sends ', CASE WHEN count(*) = 1 THEN 'a report' ELSE count(*) || ' reports' END, ' named ', min(name), ' to ', min(place), ' over ', min(over)) AS title,
       list_filter([
         CASE WHEN bool_or(names_both) THEN {'name': 'names_user_and_machine', 'value': count(*) FILTER (names_both)::DOUBLE, 'threshold': 1.0, 'weight': 0.25} END,
         CASE WHEN bool_or(coded AND names_both) THEN {'name': 'code_of_stealers', 'value': count(*) FILTER (coded)::DOUBLE, 'threshold': 1.0, 'weight': 0.5} END,
         CASE WHEN bool_or(own_name) THEN {'name': 'named_after_itself', 'value': count(*) FILTER (own_name)::DOUBLE, 'threshold': 1.0, 'weight': 0.3} END,
         CASE WHEN bool_or(confessed) THEN {'name': 'says_what_it_is', 'value': count(*) FILTER (confessed)::DOUBLE, 'threshold': 1.0, 'weight': 0.55} END,
         CASE WHEN bool_or(stamped AND names_both) THEN {'name': 'stamped_with_a_time', 'value': count(*) FILTER (stamped)::DOUBLE, 'threshold': 1.0, 'weight': 0.2} END,
         CASE WHEN bool_or(by_hand) THEN {'name': 'no_mail_program', 'value': count(*) FILTER (by_hand)::DOUBLE, 'threshold': 1.0, 'weight': 0.2} END
       ], lambda r: r IS NOT NULL) AS reasons,
       list(DISTINCT flow_id ORDER BY flow_id)[:25] AS flow_ids,
       to_json({'names': list(DISTINCT name ORDER BY name)[:10], 'machine': max(helo), 'receivers': list_sort(list_distinct(flatten(list(receivers))))[:10]})::VARCHAR AS details
FROM rated
GROUP BY src_ip, dst_ip, dst_port, protocol
ORDER BY 1, 3, 4, 5;
