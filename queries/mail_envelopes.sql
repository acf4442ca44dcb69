-- name: mail_envelopes
-- question: Which mails were sent, by whom, to whom, about what?
-- why: Phishing comes in here and stolen data leaves here. The envelope says who really gets it; From is what the reader sees.
-- params:
--   limit number 50 How many mails to show.
-- columns:
--   ts When it was sent.
--   mailfrom Sender of the envelope.
--   recipients Recipients of the envelope.
--   subject Subject.
--   attachments Names of attachments.
--   sender From, as the reader sees it.
--   is_other_domain Do sender and mailfrom belong to different domains?
--   src_ip Client.
--   dst_ip Server.
--   message_bytes Bytes of the mail.
--   reply_code Last answer of the server.
--   user_agent Program that wrote it.
SELECT m.ts, m.mailfrom, array_to_string(m.rcptto, ', ') AS recipients, m.subject, array_to_string(m.attachments, ', ') AS attachments,
       m.header_from AS sender,
       coalesce(lower(regexp_extract(m.mailfrom, '@([^>\s]+)', 1)) <> lower(regexp_extract(m.header_from, '@([^>\s]+)', 1)), false) AS is_other_domain,
       f.src_ip, f.dst_ip, m.message_bytes,
       m.reply_code, m.user_agent
FROM smtp m
JOIN flows f ON f.capture_id = m.capture_id AND f.flow_id = m.flow_id
WHERE m.mailfrom IS NOT NULL OR m.header_from IS NOT NULL
ORDER BY m.ts DESC, m.flow_id, m.trans_depth
LIMIT $limit::BIGINT;
