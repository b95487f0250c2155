#!/bin/sh
# Send one scan to a Parcela server and keep the label map that comes back. Needs curl, and nothing of Parcela's.
set -eu

usage() {
    cat <<'END'
usage: predict.sh -i SCAN -o MAP [options]

  -i SCAN            a T1-weighted scan: NIfTI, .nii or .nii.gz
  -o MAP             where the label map goes; a name ending in .nii.gz
  --preprocess       strip the skull and correct the bias first (the default)
  --no-preprocess    the scan is already skull-stripped and bias-corrected
  -model, --model M  unet, highresnet, warp or both; the server's default unless given
  --label            label by registration of the atlas instead of a network
  --server URL       http://127.0.0.1:8000 unless given
  --key KEY          the API key; better in the environment: PARCELA_API_KEY
  -h, --help         this text

Exit codes: 0 done, 2 the scan or the request is at fault, 3 the job failed, 4 the server is away or too busy.
Research software, not a medical device.
END
}

fail() { # code, message
    printf 'predict.sh: %s\n' "$2" >&2
    exit "$1"
}

scan= map= model= server=http://127.0.0.1:8000 key=${PARCELA_API_KEY-} preprocessing=true task=predict
while [ $# -gt 0 ]; do
    case $1 in
    -h | --help) usage; exit 0 ;;
    --preprocess) preprocessing=true; shift; continue ;;
    --no-preprocess) preprocessing=false; shift; continue ;;
    --label) task=label; shift; continue ;;
    -i | -o | -model | --model | --server | --key) [ $# -ge 2 ] || fail 2 "$1 needs a value: see predict.sh -h" ;;
    *) fail 2 "unknown option $1: see predict.sh -h" ;;
    esac
    case $1 in
    -i) scan=$2 ;;
    -o) map=$2 ;;
    -model | --model) model=$2 ;;
    --server) server=${2%/} ;;
    --key) key=$2 ;;
    esac
    shift 2
done

command -v curl >/dev/null || fail 4 "curl is not installed"
[ -n "$scan" ] && [ -n "$map" ] || { usage >&2; exit 2; }
[ -f "$scan" ] && [ -r "$scan" ] || fail 2 "$scan: no such file, or not readable"
case $map in
*.[Nn][Ii][Ii].[Gg][Zz]) ;;
*) fail 2 "-o $map: the label map is packed: give a name ending in .nii.gz" ;;
esac
case $model in
*[!a-z]*) fail 2 "--model $model: choose from unet, highresnet, warp, both" ;;
esac

folder=$(dirname -- "$map")
[ -d "$folder" ] && [ -w "$folder" ] || fail 2 "-o $map: there is no folder $folder, or it may not be written to"
part=$folder/.$(basename -- "$map").$$.part
private=$(mktemp -d)
trap 'rm -rf -- "$part" "$private"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

# What is meant for this computer goes to no proxy that the environment names.
host=${server#*://} && host=${host%%/*} && host=${host##*@}
case $host in
localhost | localhost:* | *.localhost | *.localhost:* | 127.* | 0.0.0.0 | 0.0.0.0:* | '[::1]'* | '[::ffff:127.'*) direct='*' ;;
*) direct= ;;
esac

# The key goes by a private file: everybody may read the command lines of the processes that run.
(umask 077 && : >"$private/config")
if [ -n "$key" ]; then
    printf '%s' "$key" | awk '{ gsub(/["\\]/, "\\\\&"); printf "header = \"Authorization: Bearer %s\"\n", $0 }' >"$private/config"
fi

if [ "$task" = label ]; then query="preprocessing=$preprocessing"; else query="model=$model&preprocessing=$preprocessing"; fi
# Sent again under the same key, the scan is the same job.
job=$(od -An -v -tx1 -N16 /dev/urandom | tr -d ' \n')

send() { # sets status to that of HTTP (000: no answer), code to curl's own
    code=0
    status=$(curl --silent --config "$private/config" ${direct:+--noproxy "$direct"} --request POST "$server/$task/?$query" \
        --header 'Accept: application/gzip' --header "Idempotency-Key: $job" --header 'Expect:' \
        --form 'file=@-;filename=scan' --dump-header "$private/head" --output "$part" \
        --write-out '%{http_code}' <"$scan") || code=$?
}

header() { # the value of a response header
    tr -d '\r' <"$private/head" | awk -v name="$1:" 'tolower($1) == name { print $2; exit }'
}

detail() { # what a problem document says, or nothing
    tr '\n' ' ' <"$part" | awk '
        match($0, /"detail"[ ]*:[ ]*"([^"\\]|\\.)*"/) {
            text = substr($0, RSTART, RLENGTH)
            sub(/^"detail"[ ]*:[ ]*"/, "", text)
            sub(/"$/, "", text)
            gsub(/\\n/, " ", text)
            gsub(/\\"/, "\"", text)
            print text
        }'
}

tries=0 pause=1
while :; do
    send
    [ "$code" -eq 0 ] || status=000
    case $status in
    504) continue ;; # not ready within the server's patience: ask on
    503) [ -z "$(header location)" ] || break ;; # of a job: that is how it ended
    429 | 000) ;;
    *) break ;;
    esac
    case $tries.$code in
    0.3 | 0.6 | 0.7) fail 4 "no server answers at $server: check the address, or start one with: parcela serve" ;;
    esac
    tries=$((tries + 1))
    if [ $tries -gt 6 ]; then
        [ "$status" = 000 ] && fail 4 "the connection to $server broke (curl $code)"
        break
    fi
    wanted=
    [ "$status" = 000 ] || wanted=$(header retry-after)
    case $wanted in *[!0-9]*) wanted= ;; esac
    sleep "${wanted:-$pause}"
    pause=$((pause * 2))
done

case $status in
200) ;;
*)
    said=$(detail)
    case $status in
    429 | 502 | 503) exit_code=4 ;;
    5*) exit_code=3 ;;
    *) exit_code=2 ;;
    esac
    fail $exit_code "${said:-$server answered $status, and not as a Parcela server does}"
    ;;
esac
[ "$(od -An -v -tx1 -N2 "$part" | tr -d ' \n')" = 1f8b ] ||
    fail 3 "$server answered, but not with a packed label map: nothing was kept"
mv -f -- "$part" "$map"
printf '%s\n' "$map"
