-- name: rpc_operations
-- question: Which remote procedures of Windows were called, by whom?
-- why: Creating a service, a task or a printer driver on another machine, replicating a domain's secrets, forcing a machine to log in elsewhere:
--   each is one operation of one interface.
-- params:
--   limit number 50 How many rows to show.
-- columns:
--   interface Interface, by name where known.
--   operation Operation, by name or number.
--   src_ip Client.
--   dst_ip Server.
--   named_pipe Pipe that carried it; NULL over TCP.
--   auth_type How the client proved itself.
--   calls Calls.
--   faults Calls that failed.
--   first_ts First call.
--   last_ts Last call.
SELECT coalesce(d.interface, d.interface_uuid) AS interface, coalesce(d.operation, d.opnum::VARCHAR) AS operation, f.src_ip, f.dst_ip,
       d.named_pipe, min(d.auth_type) AS auth_type, count(*) AS calls, count(d.fault) AS faults, min(d.ts) AS first_ts, max(d.ts) AS last_ts
FROM dcerpc d
JOIN flows f ON f.capture_id = d.capture_id AND f.flow_id = d.flow_id
WHERE d.opnum IS NOT NULL
GROUP BY coalesce(d.interface, d.interface_uuid), coalesce(d.operation, d.opnum::VARCHAR), f.src_ip, f.dst_ip, d.named_pipe
ORDER BY calls, interface, operation, f.src_ip, f.dst_ip, d.named_pipe
LIMIT $limit::BIGINT;
