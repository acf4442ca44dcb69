-- name: host_roles
-- question: What is each host, what does it do, and how is that known?
-- why: A resolver, a domain controller or a PLC that nobody knows of is the first thing to ask about; and a finding weighs more on a server.
--   Each conclusion comes with the clues behind it. Outside hosts are left out unless asked for.
-- params:
--   all text no yes also shows hosts outside the local networks.
--   limit number 100 How many hosts to show.
-- columns:
--   sensor Where it was seen; empty when not said.
--   ip Address.
--   roles What it does in the network.
--   role_reasons Each role with its reason.
--   os_guess Operating system it behaves like.
--   os_reason The clues behind it.
--   vendor Maker of its network card.
--   names Names told of it.
--   last_ts Last packet.
SELECT sensor, ip, array_to_string(roles, ', ') AS roles, array_to_string(role_reasons, '; ') AS role_reasons, os_guess, os_reason,
       vendor, array_to_string(names, ', ') AS names, last_ts
FROM hosts
WHERE (is_internal OR $all = 'yes') AND (len(roles) > 0 OR os_guess IS NOT NULL OR vendor IS NOT NULL)
ORDER BY len(roles) DESC, ip, sensor
LIMIT $limit::BIGINT;
