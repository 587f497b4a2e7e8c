# Removes what knows the repository's base and lies outside of it: bundles, packs and folders of objects, whatever they
# are called. Part of history.sh.
#
#   perl -e TEXT REPOSITORY SCRATCH BASE
#
# BASE: a commit. SCRATCH: an empty folder. A store is one of this repository if it has the base, or three of its folders
# and longer files; a bundle also if it builds on a commit of the repository, or needs its objects. The search is
# bounded in files and in time; what cannot be removed, such as what is mounted read-only, is left.
use strict;
use warnings;
use filetest 'access';

use constant { MOST_FILES => 3_000_000, MOST_SECONDS => 900, ENOUGH => 3, EROFS => 30 };

my ($repository, $scratch, $base) = @ARGV;
my ($started, $seen) = (time, 0);
my $objects = "$repository/.git/objects";
chomp(my $found = qx(git rev-parse --git-path objects 2>/dev/null));
$objects = $found =~ m{^/} ? $found : "$repository/$found" if length $found;

# Runs git with these variables; whether it succeeded, and what it wrote.
sub git {
    my ($variables, $input, @words) = @_;
    local @ENV{keys %$variables} = values %$variables;
    open my $saved, '<&', \*STDIN or die "stdin: $!\n";
    open STDIN, '<', $input or die "$input: $!\n";
    my $pid = open(my $read, '-|') // die "fork: $!\n";
    if (!$pid) {
        open STDERR, '>', '/dev/null';
        exec 'git', @words or exit 127;
    }
    my $said = do { local $/; <$read> } // '';
    my $done = close $read;
    open STDIN, '<&', $saved or die "stdin: $!\n";
    return ($done, $said);
}

# What tells the repository from others: its base, its folders, and files that are not the same everywhere.
my $sample = "$scratch/sample";
{
    my (undef, $tree) = git({}, '/dev/null', 'ls-tree', '-r', '-t', '-l', $base);
    my %ids;
    for (split /\n/, $tree) {
        my (undef, $kind, $id, $size) = split ' ';
        $ids{$id} = 1 if $kind eq 'tree' or $kind eq 'blob' and $size > 200;
    }
    my @ids = sort keys %ids;
    splice @ids, 2000 if @ids > 2000;
    open my $file, '>', $sample or die "$sample: $!\n";
    print $file "$base\n", map { "$_\n" } @ids;
    close $file;
}

sub knows_it {
    my ($store) = @_;
    my ($done, $said) = git({ GIT_DIR => "$scratch/empty", GIT_OBJECT_DIRECTORY => $store }, $sample,
        'cat-file', '--batch-check');
    my @known = grep { !/ missing$/ } split /\n/, $said;
    return grep({ /^\Q$base\E / } @known) || @known >= ENOUGH;
}

# Whether a pack, which starts at an offset of a file, holds objects of the repository or cannot do without them.
sub pack_knows_it {
    my ($path, $offset) = @_;
    system 'rm', '-rf', "$scratch/pack", "$scratch/one";
    system 'git', 'init', '-q', '--bare', '--template=', "$scratch/one";
    open my $in, '<:raw', $path or return 0;
    open my $out, '>:raw', "$scratch/pack" or return 0;
    seek $in, $offset, 0;
    while (read $in, my $bytes, 1 << 20) { print $out $bytes }
    close $out;
    my %one = (GIT_DIR => "$scratch/one");
    my ($whole) = git(\%one, "$scratch/pack", 'index-pack', '--stdin');
    return knows_it("$scratch/one/objects") if $whole;
    my ($thin) = git({ %one, GIT_ALTERNATE_OBJECT_DIRECTORIES => $objects }, "$scratch/pack",
        'index-pack', '--stdin', '--fix-thin');
    return $thin;
}

sub bundle_knows_it {
    my ($path) = @_;
    open my $file, '<:raw', $path or return 0;
    while (defined(my $line = <$file>)) {
        last if $line eq "\n";
        my ($needed) = $line =~ /^-([0-9a-f]{40,64})/ or next;
        return 1 if (git({}, '/dev/null', '-C', $repository, 'cat-file', '-e', $needed))[0];
    }
    return pack_knows_it($path, tell $file);
}

sub gone {
    for my $path (@_) {
        next if -l $path or !-e $path;
        system 'find', $path, '-type', 'd', '!', '-perm', '-700', '-exec', 'chmod', 'u+rwx', '{}', '+' if -d $path;
        system 'rm', '-rf', '--', $path;
    }
}

# A folder of objects goes with the git folder that it belongs to.
sub store_gone {
    my ($store) = @_;
    (my $above = $store) =~ s{/[^/]+$}{};
    gone(-f "$above/HEAD" && $above ne $repository ? $above : $store);
}

system 'git', 'init', '-q', '--bare', '--template=', "$scratch/empty";
my %judged;
my $judge = sub {
    my ($store) = @_;
    store_gone($store) if !$judged{$store}++ and knows_it($store);
};
my @left = ('/');
my $root = (lstat '/')[0];
while (defined(my $folder = pop @left) and $seen < MOST_FILES and time - $started < MOST_SECONDS) {
    opendir my $entries, $folder or next;
    (my $short = $folder) =~ s{/$}{};
    for my $name (readdir $entries) {
        next if $name =~ /^\.\.?$/;
        my $path = "$short/$name";
        my @about = lstat $path or next;
        $seen++;
        if (-d _ and !-l _) {
            next if $path =~ m{^/(?:proc|sys|dev)$} or $path eq $repository or $path eq $scratch;
            next if $about[0] != $root and !-w $path and $! == EROFS;
            push @left, $path;
        }
        next unless -f _ and $about[7] >= 20;
        if ($name =~ /^(?:[0-9a-f]{38}|[0-9a-f]{62})$/ and $short =~ m{^(.+)/[0-9a-f]{2}$}) { $judge->($1); next }
        open my $file, '<:raw', $path or next;
        read $file, my $start, 16;
        close $file;
        if ($start =~ /^PACK\0\0\0[\2\3]/) {
            $judge->($1) if $short =~ m{^(.+)/pack$};
            gone($path) if -e $path and pack_knows_it($path, 0);
        }
        elsif ($start =~ /^# v[23] git bundle/) { gone($path) if bundle_knows_it($path) }
    }
}
