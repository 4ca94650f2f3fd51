#!/bin/sh
# The server's image runs this once, when its volume is empty, before anything but itself can reach it.
set -eu
: "${ANALYST_PASSWORD:?}" # here, as a pipe hides that it failed
hash=$(printf %s "$ANALYST_PASSWORD" | sha256sum | cut -d ' ' -f 1)
sed "s/sha256_password BY 'change me'/sha256_hash BY '$hash'/" "${READER:-/etc/sqlft/reader.sql}" |
    clickhouse-client --host 127.0.0.1 --user "$CLICKHOUSE_USER" --password "$CLICKHOUSE_PASSWORD" --multiquery
