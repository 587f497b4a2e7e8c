# Prints what the environment of a task has, tab-separated: kind, name, version, names that a package is imported by.
# VERSIONS: programs whose versions are asked.
version() { timeout 10 "$@" </dev/null 2>&1 | grep -m1 '[0-9]'; }
system=$(. /etc/os-release 2>/dev/null && echo "$PRETTY_NAME")
printf 'system\t%s\n' "$(uname -sm)${system:+, $system}"
for name in $VERSIONS; do
    command -v "$name" >/dev/null || continue
    case $name in
        go) told=$(version go version) ;;
        java) told=$(version java -version) ;;
        *) told=$(version "$name" --version) ;;
    esac
    printf 'program\t%s\t%s\n' "$name" "${told:-version unknown}"
done
for name in bash git make gcc g++ cmake curl sqlite3 tox nox npm node go cargo mvn gradle; do
    case " $VERSIONS " in *" $name "*) continue ;; esac
    command -v "$name" >/dev/null && printf 'program\t%s\n' "$name"
done
case " $VERSIONS " in *' python '*)
    python - <<'END'
def packages():
    try:
        from importlib import metadata
    except ImportError:
        import pkg_resources
        for found in pkg_resources.working_set:
            yield found.project_name, found.version, ""
        return
    for found in metadata.distributions():
        yield found.metadata["Name"], found.version, found.read_text("top_level.txt") or ""


for name, version, modules in packages():
    if name:
        print("package\t%s\t%s\t%s" % (name, version, " ".join(modules.split())))
END
;; esac
case " $VERSIONS " in *' node '*)
    grep -m1 -H '"version"' node_modules/*/package.json node_modules/@*/*/package.json 2>/dev/null |
        sed -n 's|^node_modules/\(.*\)/package.json:.*"version": *"\([^"]*\)".*|package\t\1\t\2|p'
;; esac
exit 0
