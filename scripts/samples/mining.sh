# shellcheck shell=bash disable=SC2154 # sourced by record-samples.sh after lab.sh
# Miners and pools (scripts/samples/stratum.py) in the dialects that are spoken, and services that only sound like them.

# mine DIALECT PORT ROUNDS: the workstation mines at pool.example.net for so many seconds.
mine() {
    start server python3 "$here/scripts/samples/stratum.py" server "$1" "$2"
    sleep 1
    on client python3 "$here/scripts/samples/stratum.py" client "$1" pool.example.net "$2" --rounds "$3"
}

pool_lab() {
    addresses server 203.0.113 60 61
    settle_all
}

sample_mining_stratum() {
    begin mining_stratum
    pool_lab
    watch
    mine v1 3333 16
    watched
    expect crypto_mining 10.20.0.10 203.0.113.60 "Stratum V1; worker alice.rig1, agent cgminer/4.12.1, 12 shares accepted, 4 rejected"
    origin "Mining Bitcoin: Stratum V1" <<'TEXT'
A miner on 10.20.0.10 at pool.example.net (203.0.113.60:3333): mining.configure, subscribe, authorize, then jobs (set_difficulty,
notify) and sixteen shares in as many seconds, of which four are rejected (low difficulty, job not found). Both ends are
scripts/samples/stratum.py: the messages are those of the protocol, the hashes are invented.
TEXT
}

sample_mining_xmr() {
    begin mining_xmr
    pool_lab
    watch
    mine xmr 5555 16
    watched
    expect crypto_mining 10.20.0.10 203.0.113.60 "CryptoNote login/job/submit; agent XMRig/6.21.0, algorithm rx/0, 12 shares accepted, 4 rejected"
    origin "Mining Monero: login, job, submit" <<'TEXT'
A miner on 10.20.0.10 at pool.example.net (203.0.113.60:5555): login with an invented wallet address, agent and algorithms, jobs
with blob, target and seed_hash, sixteen submits (four rejected) and keepalived. Both ends are scripts/samples/stratum.py; the
hashes are invented.
TEXT
}

sample_mining_eth() {
    begin mining_eth
    pool_lab
    watch
    mine eth 4444 16
    watched
    expect crypto_mining 10.20.0.10 203.0.113.60 "eth_submitLogin, eth_getWork, eth_submitWork, eth_submitHashrate"
    origin "Mining Ethereum and its heirs: getWork over TCP" <<'TEXT'
A miner on 10.20.0.10 at pool.example.net (203.0.113.60:4444): eth_submitLogin, eth_getWork, sixteen eth_submitWork (four answered
with false) and eth_submitHashrate. Both ends are scripts/samples/stratum.py; the hashes are invented.
TEXT
}

sample_mining_v2() {
    begin mining_v2
    local fast=$work/fast.pcap
    pool_lab
    record lan br0 "$fast" -s 1600
    mine v2 34254 26
    stop_recording
    python3 "$here/scripts/samples/stretch.py" "$fast" "$out" --factor 15 --above 0.5
    expect crypto_mining 10.20.0.10 203.0.113.60 "Stratum V2 by its lengths, port and shape; the name pool.example.net was looked up"
    origin "Mining with Stratum V2: nothing to read but lengths" <<'TEXT'
A miner on 10.20.0.10 at pool.example.net (203.0.113.60:34254): 64 bytes, the answer of 234, then frames with a header of 22 bytes
and payloads of the lengths of SetupConnection, channel, jobs and shares. The lengths and the order are the protocol's; the bytes
are random (scripts/samples/stratum.py), as ciphertext looks. **Times are not as recorded:** pauses of half a second or more are
15 times as long (scripts/samples/stretch.py): a share about every 15 seconds, for more than six minutes.
TEXT
}

sample_twin_jsonrpc() {
    begin twin_jsonrpc
    pool_lab
    watch
    start server python3 "$here/scripts/samples/stratum.py" server rpc 3333
    sleep 1
    on client python3 "$here/scripts/samples/stratum.py" client rpc rpc.example.net 3333 --rounds 16
    watched
    no_addresses server 203.0.113 60 61
    quiet
    origin "JSON-RPC on port 3333 that has nothing to do with mining" <<'TEXT'
A client on 10.20.0.10 of a measuring service at rpc.example.net (203.0.113.61:3333): one JSON object per line, methods login
(user and token), subscribe, submit (a reading) and notifications named job.done. Same port, same form and even some of the same
words as a pool, other meaning.
TEXT
}

sample_twin_wallet() {
    begin twin_wallet
    local method
    pool_lab
    start server python3 "$here/scripts/samples/services.py" rpc 8545
    sleep 1
    watch
    for method in eth_chainId eth_blockNumber eth_getBalance eth_gasPrice eth_getTransactionCount eth_call eth_estimateGas eth_sendRawTransaction eth_getTransactionReceipt eth_getBalance; do
        on client curl -s -o /dev/null -A 'wallet/2.1' -H 'Content-Type: application/json' http://rpc.example.net:8545/ \
            -d '{"jsonrpc":"2.0","id":1,"method":"'$method'","params":["0x00000000000000000000000000000000000a11ce","latest"]}'
        sleep 0.5
    done
    watched
    no_addresses server 203.0.113 60 61
    quiet
    origin "An Ethereum wallet asks for its balance" <<'TEXT'
curl on 10.20.0.10 plays a wallet: ten JSON-RPC calls over HTTP to rpc.example.net (203.0.113.61:8545), among them eth_getBalance,
eth_blockNumber and eth_sendRawTransaction. Spending is not mining.
TEXT
}

all+=(mining_stratum mining_xmr mining_eth mining_v2 twin_jsonrpc twin_wallet)
