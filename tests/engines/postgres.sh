#!/bin/sh
# A PostgreSQL of one's own, for tests of a shared MLflow store: a private cluster in a folder.
#
#   tests/engines/postgres.sh start FOLDER   prints the SQLAlchemy address of its database
#   tests/engines/postgres.sh stop FOLDER
#
# Needs Debian's package postgresql (apt-get install postgresql; its own cluster is not used). It
# listens on 127.0.0.1 alone, on a port that is free, and trusts whoever connects from there.
# PostgreSQL refuses to run as root: then the account postgres, which the package makes, runs it.
set -eu

case "${1:-} ${2:-}" in
"start "?* | "stop "?*) ;;
*) sed -n '2,5p' "$0" >&2; exit 2 ;;
esac
action=$1
folder=$2

bin=$(find /usr/lib/postgresql -maxdepth 3 -name pg_ctl -path '*/bin/*' 2>/dev/null | sort -V | tail -n 1)
[ -n "$bin" ] || { echo "error: there is no PostgreSQL here: apt-get install postgresql" >&2; exit 3; }
bin=$(dirname "$bin")

as_server() {
    if [ "$(id -u)" = 0 ]; then
        (cd / && exec setpriv --reuid=postgres --regid=postgres --clear-groups -- "$@")
    else
        "$@"
    fi
}

if [ "$action" = stop ]; then
    [ ! -f "$folder/cluster/postmaster.pid" ] ||
        as_server "$bin/pg_ctl" --silent --pgdata="$folder/cluster" --mode=fast --wait stop
    exit
fi

mkdir -p "$folder"
folder=$(cd "$folder" && pwd)
[ "$(id -u)" != 0 ] || chown postgres "$folder"
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
as_server "$bin/initdb" --pgdata="$folder/cluster" --username=mlflow --auth=trust \
    --encoding=UTF8 --no-sync >"$folder/initdb.log" 2>&1 || { cat "$folder/initdb.log" >&2; exit 1; }
as_server "$bin/pg_ctl" --silent --pgdata="$folder/cluster" --log="$folder/server.log" --wait \
    --options="-c listen_addresses=127.0.0.1 -p $port -c unix_socket_directories='' -c fsync=off" start >&2
as_server "$bin/createdb" --host=127.0.0.1 --port="$port" --username=mlflow mlflow
echo "postgresql+psycopg2://mlflow@127.0.0.1:$port/mlflow"
