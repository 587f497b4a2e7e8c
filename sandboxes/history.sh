# Gives the repository in the working folder a history of one commit, or verifies that it has it; see history.py.
#
#   action=scrub|verify, outside=TEXT (of outside.pl) and untracked=keep|leave, set before; needs git, find and perl, and works as root without capabilities.
set -eu
export LC_ALL=C
for name in $(env | sed -n 's/^\(GIT_[A-Z0-9_]*\)=.*/\1/p'); do unset "$name"; done
repository=$(pwd -P)
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
# The repository may belong to another user; nothing that the image's users have set counts.
export HOME="$scratch" XDG_CONFIG_HOME="$scratch" GIT_CONFIG_NOSYSTEM=1
printf '[safe]\n\tdirectory = *\n[core]\n\tautocrlf = false\n\tsafecrlf = false\n\tfsmonitor = false\n' > "$HOME/.gitconfig"

follow() {  # a folder, and a path in a file of it that may be relative to it
    case "$2" in /*) note "$2" ;; *) note "$1/$2" ;; esac
}

note() {  # a git folder or a folder of objects, and those it leans on
    [ -d "$1" ] || return 0
    local store line
    store=$(cd "$1" && pwd -P)
    case "$repository/" in "$store"/*) return 0 ;; esac
    ! grep -qxF -e "$store" "$scratch/stores" || return 0
    printf '%s\n' "$store" >> "$scratch/stores"
    if [ -f "$store/commondir" ]; then follow "$store" "$(cat "$store/commondir")"; fi
    borrowed "$store/objects"
    borrowed "$store"
}

borrowed() {  # from where a folder of objects takes more
    [ -f "$1/info/alternates" ] || return 0
    local line
    while IFS= read -r line; do
        if [ -n "$line" ]; then follow "$1" "$line"; fi
    done < "$1/info/alternates"
}

scrub() {
    # A commit of ours has been laid over an image on purpose, with all that its recipe then made there.
    ours='base@localhost 946684800'
    maker=$(git log -1 --format='%ae %at' 2>/dev/null || true)
    head=$(git rev-parse -q --verify 'HEAD^{commit}' || true)
    # What was tracked stays so, also where it is ignored. A submodule's files become files like all others.
    git ls-files -s -z > "$scratch/index" || fail 'git cannot read its index'
    perl -0 -ne 's/^[^\t]*\t//; chomp(my $path = $_); print "$path\0" if -l $path or -f $path' \
        < "$scratch/index" > "$scratch/tracked"
    # Files of submodules and of other repositories in the work tree are not tracked, and stay.
    perl -0 -ne 'print "$1\n" if /^160000 [^\t]*\t(.*)\0/s' < "$scratch/index" > "$scratch/foreign"

    # Its own git folder, those of its submodules, and where these borrow objects or have others see them.
    : > "$scratch/stores"
    find . -name .git > "$scratch/found"
    sed -n 's#^\./\(.*\)/\.git$#\1#p' "$scratch/found" >> "$scratch/foreign"
    while IFS= read -r found; do
        if [ -f "$found" ]; then follow "${found%/*}" "$(sed -n 's/^gitdir: //p' "$found")"; else note "$found"; fi
    done < "$scratch/found"

    # Copies elsewhere that know the base, and with it perhaps what came after.
    if [ -n "$head" ]; then
        mkdir "$scratch/search"
        perl -e "$outside" "$repository" "$scratch/search" "$head" || fail 'the search for copies of it failed'
    fi

    # The repository's work trees elsewhere may be at any commit.
    while IFS= read -r store; do
        for linked in "$store"/worktrees/*/gitdir; do
            [ -f "$linked" ] || continue
            tree=$(cd "${linked%/gitdir}" && cd "$(dirname "$(cat gitdir)")" 2>/dev/null && pwd -P) || continue
            case "$repository/" in "${tree%/}"/*) ;; *) printf '%s\n' "$tree" ;; esac
        done
    done < "$scratch/stores" > "$scratch/trees"

    cat "$scratch/found" "$scratch/stores" "$scratch/trees" | while IFS= read -r gone; do
        if [ -d "$gone" ] && [ ! -L "$gone" ]; then find "$gone" -type d ! -perm -700 -exec chmod u+rwx {} +; fi
        rm -rf "$gone"
    done

    git init -q --template= . 2>/dev/null
    git symbolic-ref HEAD refs/heads/main
    git update-index --add --remove -z --stdin < "$scratch/tracked"
    if [ "$untracked" = keep ] || [ "$maker" = "$ours" ] || [ ! -s "$scratch/tracked" ]; then
        git add -A
    else
        leave_out
    fi
    # Fixed, so that equal files make an equal commit.
    export GIT_AUTHOR_NAME=base GIT_AUTHOR_EMAIL=base@localhost GIT_AUTHOR_DATE='2000-01-01T00:00:00Z'
    export GIT_COMMITTER_NAME=base GIT_COMMITTER_EMAIL=base@localhost GIT_COMMITTER_DATE='2000-01-01T00:00:00Z'
    git update-ref HEAD "$(git commit-tree -m base "$(git write-tree)")"
    git repack -a -d -q
}

# Removes untracked files that no installation generates: they may be of any time. Ignored ones stay.
leave_out() {
    git ls-files --others --exclude-standard -z > "$scratch/untracked"
    perl -0 -e '
        my ($foreign, $kept) = @ARGV;
        local $/ = "\n";
        open my $names, "<", $foreign or die; chomp(my @foreign = <$names>);
        my $made = qr{(?:^|/)(?:[^/]*_?version\.py|[^/]*\.(?:egg-info|dist-info)/.*
            |(?:node_modules|__pycache__|site-packages|build|dist|target|vendor|\.eggs|\.tox|\.nox)/.*
            |[^/]*\.(?:so|so\.[0-9.]+|pyd|pyc|dylib|dll|a|o|class|jar|pth|egg-link|egg|whl)
            |package-lock\.json|yarn\.lock|pnpm-lock\.yaml|Cargo\.lock|Gemfile\.lock|composer\.lock|go\.sum)$}xs;
        my %installed;
        $/ = "\0";
        open my $keep, ">", $kept or die;
        my @left;
        while (defined(my $path = <STDIN>)) {
            chomp $path;
            my ($top) = $path =~ m{^([^/]+)/};
            $installed{$top} //= -e "$top/pyvenv.cfg" || -e "$top/conda-meta" if defined $top;
            my $stays = $path =~ $made || defined $top && $installed{$top} || grep { index($path, "$_/") == 0 } @foreign;
            # Generated code lies beside what it was generated from.
            (my $source = $path) =~ s/\.(?:c|cpp)$//;
            $stays ||= $source ne $path && (-e "$source.pyx" || -e "$source.py");
            if ($stays) { print $keep "$path\0"; next }
            push @left, $path;
            unlink $path or warn "$path: $!\n";
        }
        if (@left) {
            my @shown = map { s/[^ -~]/?/gr } @left > 5 ? (@left[0 .. 4], "...") : @left;
            printf "codemonkeys: left out of the base, as nobody tracks or generates them: %d files (%s)\n",
                scalar @left, join ", ", @shown;
        }
    ' "$scratch/foreign" "$scratch/kept" < "$scratch/untracked"
    git update-index --add -z --stdin < "$scratch/kept"
}

fail() {
    printf 'The history of %s is more than its base: %s\n' "$repository" "$1" >&2
    exit 1
}

verify() {
    [ -d .git ] && [ ! -L .git ] || fail 'its .git is no folder'
    other=$(find . -name .git | grep -vxF ./.git | head -n 1)
    [ -z "$other" ] || fail "$other"
    for name in commondir shallow objects/info/alternates objects/info/http-alternates worktrees modules \
        FETCH_HEAD ORIG_HEAD MERGE_HEAD CHERRY_PICK_HEAD REVERT_HEAD rebase-merge rebase-apply; do
        [ ! -e ".git/$name" ] || fail ".git/$name"
    done
    base=$(git rev-parse -q --verify 'HEAD^{commit}') || fail 'HEAD is no commit'
    ! git cat-file commit HEAD | sed '/^$/q' | grep '^parent ' || fail 'its commit has a parent'
    refs=$(git for-each-ref --format='%(objectname) %(refname)')
    [ "$refs" = "$base $(git symbolic-ref HEAD)" ] || fail "references: $refs"
    [ -z "$(git remote)" ] || fail "remotes: $(git remote)"
    logged=$(git log -g --all --format=%H | grep -vxF "$base" | head -n 1)
    [ -z "$logged" ] || fail "$logged in a reflog"
    git rev-list --objects HEAD | cut -d ' ' -f 1 | sort -u > "$scratch/reachable"
    git cat-file --batch-all-objects --batch-check='%(objectname)' | sort -u > "$scratch/held"
    cmp -s "$scratch/reachable" "$scratch/held" || fail "object $(comm -3 "$scratch/reachable" "$scratch/held" | head -n 1)"
    # What git does not count as a store may still be read: a pack without its index, or one half fetched.
    find .git/objects -type f | sed '\#/[0-9a-f]\{2\}/[0-9a-f]\{38\}$#d; \#/info/packs$#d' > "$scratch/files"
    while IFS= read -r file; do
        case "$file" in
            */pack/pack-*.pack) [ -e "${file%.pack}.idx" ] || fail "$file" ;;
            */pack/pack-*.idx | */pack/pack-*.rev) [ -e "${file%.*}.pack" ] || fail "$file" ;;
            *) fail "$file" ;;
        esac
    done < "$scratch/files"
    changed=$(git status --porcelain | head -n 1)
    [ -z "$changed" ] || fail "the work tree differs from the commit: $changed"
}

[ "$action" = verify ] || scrub
verify
