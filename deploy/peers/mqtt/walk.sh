#!/usr/bin/env bash
# The walk of README.md by Mosquitto's clients.
set -euo pipefail
url=$1 version=$2 id=$3 ca=$4 password=$5
at=${url#*://}
common=(-h "${at%:*}" -p "${at##*:}" -i "$id")
case $version in
4) common+=(-V mqttv311) lasting=(-c) ;;
5) common+=(-V mqttv5) lasting=(-c -x 3600) ;;
esac
[ -z "$ca" ] || common+=(--cafile "$ca")
[ -z "$password" ] || common+=(-u "$id" -P "$password")

for qos in 0 1 2; do
	got=$(mosquitto_rr "${common[@]}" -q "$qos" -t "d/$id/walk/$qos" -e "d/$id/walk/$qos" -m "now $qos" -W 20)
	[ "$got" = "now $qos" ] || { echo "got $got, not now $qos" >&2; exit 1; }
done
mosquitto_sub "${common[@]}" "${lasting[@]}" -q 2 -t "d/$id/walk/late" -E
echo away
read -r _
got=$(mosquitto_sub "${common[@]}" "${lasting[@]}" -q 2 -t "d/$id/walk/late" -W 20 -C 2)
[ "$got" = $'late 1\nlate 2' ] || { echo "meanwhile came $got" >&2; exit 1; }
echo done
