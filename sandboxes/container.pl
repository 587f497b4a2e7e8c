# Process 1 of a container: waits for scripts, has inside.pl run each, and sees to it that nothing of one is left.
#
#   perl -e TEXT ONCE WAIT USER OWNER PLACES TEXT_OF_INSIDE TEXT_OF_LAYERS MOST_BYTES MOST_ENTRIES
#
# ONCE: end after one script. WAIT: seconds to wait for a script before it ends by itself. USER: who runs scripts, as
# uid:gid:groups. OWNER: the uid that owns FOLDER, where scripts are placed; no script runs as that user. PLACES: how
# many folders can be written; their paths and the folders they are filled from follow, in pairs.
#
# A job comes on standard input as a count and that many strings, each after its length: a word that nobody can guess,
# the seconds the script may take, the name and text of the script, the patch, whether it is a command of a session, a
# layer to be laid before it (see layers.pl), and the arguments of inside.pl. Standard output carries what the script
# wrote and then the word, and of a command what has changed and `WORD end`; standard error what inside.pl told, then
# `codemonkeys: over WORD`. `codemonkeys: ready` says that it waits, and is said only when nothing of the script before
# can be left but, of a command, its files.
#
# It ends, and with it every process of the container, when its standard input does: when its owner is gone.
use strict;
use warnings;
use Fcntl qw(:DEFAULT :mode);
use POSIX qw(:sys_wait_h);

my ($once, $wait, $user, $owner, $count) = splice @ARGV, 0, 5;
my @places = map { [splice @ARGV, 0, 2] } 1 .. $count;
my ($inside, $layers, @most) = @ARGV;
my $reference = '/codemonkeys/..reference';    # no name that a script's removal takes
my $folder = '/codemonkeys';
my ($patient, $grace) = (20, 3);    # seconds for the patch, and for inside.pl to notice that the time is over
my @clean;    # state_now() before the first script
my ($uid, $gid, $groups) = split /:/, $user;
my @drop = ('/usr/bin/setpriv', '--no-new-privs', '--inh-caps=-all', '--bounding-set=-all', "--reuid=$uid",
    "--regid=$gid", length $groups ? "--groups=$groups" : '--clear-groups');
my %tools = (PATH => '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin', LANG => 'C');

sub tell_owner { syswrite STDERR, "codemonkeys: $_[0]\n" }

sub give_up { tell_owner("cannot go on: $_[0]"); POSIX::_exit(1) }

# Runs a program of the image without any privilege; what it wrote. The image cannot have been changed: it is read-only.
sub run_as_user {
    my @command = @_;
    my $pid = open(my $read, '-|') // give_up("fork: $!");
    if (!$pid) {
        %ENV = %tools;
        open STDIN, '<', '/dev/null';
        open STDERR, '>&', \*STDOUT;
        exec { $drop[0] } @drop, @command or POSIX::_exit(127);
    }
    my $said = do { local $/; <$read> } // '';
    close $read or give_up("$command[0] failed: $said");
    return $said;
}

# Seconds on a clock that nobody sets.
sub now { return (split ' ', contents('/proc/uptime'))[0] }

sub contents {
    my ($path) = @_;
    open my $file, '<', $path or return "no $path";
    local $/;
    return scalar <$file>;
}

# How many bytes of extended attributes a folder has; by the kernel's own numbers, as Perl has no name for the call.
sub attributes {
    my %number = (x86_64 => 194, aarch64 => 11);
    my $number = $number{(POSIX::uname())[4]} // return 'unknown: ' . rand;
    return syscall $number, my $path = $_[0], 0, 0;
}

# Everything below a folder, without other file systems.
sub listing {
    my ($top) = @_;
    my $device = (lstat $top)[0];
    my (@found, @left);
    @left = ($top);
    while (defined(my $path = shift @left)) {
        my @seen = lstat $path or next;
        # Neither size nor times: terminals and counters change by themselves.
        push @found, join ' ', $path, @seen[0 .. 6], S_ISREG($seen[2]) ? $seen[7] : ();
        next unless S_ISDIR($seen[2]) and $seen[0] == $device;
        opendir my $entries, $path or return "closed: $path " . rand;
        push @left, map { "$path/$_" } grep { !/^\.\.?$/ } sort readdir $entries;
    }
    return @found;
}

# All that one script could leave to the next, as lines; equal lines say that it left nothing.
sub state_now {
    my %place = map { $_->[0] => 1 } @places, [$folder];
    my @state = map { contents($_) } '/proc/self/mountinfo', '/proc/self/limits', '/proc/self/oom_score_adj',
        '/proc/self/coredump_filter', '/proc/self/timerslack_ns', glob('/proc/sysvipc/*');
    for (split /\n/, $state[0]) {
        my ($path, $options, $kind) = /^\S+ \S+ \S+ \S+ (\S+) (\S+) .*?- (\S+) / or next;
        next if $place{$path} or $options !~ /^rw\b/ or $kind =~ /^(proc|devpts)$/ or $path =~ m{^/proc/};
        push @state, $kind =~ /^(tmpfs|mqueue)$/ ? listing($path) : "can be written: $path " . rand;
    }
    # A file system without a single block in use, and one entry, its own folder, holds nothing.
    push @state, run_as_user('stat', '-f', '-c', '%n %b %f %c %d', sort keys %place);
    push @state, join ' ', $_, (lstat)[2, 4, 5], attributes($_) for sort keys %place;
    return map { split /\n/ } @state;
}

sub difference {
    my %before = map { $_ => 1 } @clean;
    my %after = map { $_ => 1 } state_now();
    return (grep({ !$before{$_} } keys %after), grep { !$after{$_} } keys %before)[0];
}

sub fill {
    my $copy = 'while [ $# -gt 0 ]; do if [ -n "$2" ]; then cp -a "$2/." "$1" || exit; fi; shift 2; done';
    run_as_user('sh', '-c', $copy, 'fill', map { @$_ } @places);
    # What changes from now on is later; the kernel's clock of files has a tick of some milliseconds.
    as_owner(sub { utime undef, undef, $reference });
    select undef, undef, undef, 0.02;
}

sub empty {
    my $remove = 'for place; do chmod -R u+rwX "$place" 2>/dev/null; find "$place" -xdev -mindepth 1 -delete; done';
    run_as_user('sh', '-c', "$remove; true", 'empty', map { $_->[0] } @places);
    as_owner(sub { unlink glob "$folder/* $folder/.[!.]*"; 1 });
}

# Does something as the owner of the folder of scripts, which nobody else may write.
sub as_owner {
    my ($work) = @_;
    my $pid = fork // give_up("fork: $!");
    if (!$pid) {
        POSIX::setgid($owner);
        POSIX::setuid($owner);
        POSIX::_exit($> == $owner && $work->() ? 0 : 1);
    }
    waitpid $pid, 0;
    return $? == 0;
}

sub place {
    my %files = @_;
    as_owner(sub {
        umask 0;
        for my $name (keys %files) {
            sysopen my $file, "$folder/$name", O_WRONLY | O_CREAT | O_EXCL, 0444 or return 0;
            !length $files{$name} or syswrite($file, $files{$name}) == length $files{$name} or return 0;
        }
        return 1;
    }) or give_up('the script could not be placed');
}

# Lays what an earlier session has changed.
sub lay {
    my ($layer) = @_;
    place('..layer' => $layer);
    run_as_user('perl', '-e', $layers, 'lay', "$folder/..layer", map { @$_ } @places);
    as_owner(sub { unlink "$folder/..layer" });
}

# What has changed since the folders were filled.
sub changes {
    return run_as_user('perl', '-e', $layers, 'pack', $reference, @most, map { @$_ } @places);
}

sub write_out {
    my ($bytes) = @_;
    my $from = 0;
    while ($from < length $bytes) {
        my $written = syswrite(STDOUT, $bytes, 65536, $from) // POSIX::_exit(0);
        $from += $written;
    }
}

sub receive {
    my ($size) = @_;
    my $data = '';
    while (length $data < $size) {
        sysread(STDIN, $data, $size - length $data, length $data) or POSIX::_exit(0);
    }
    return $data;
}

sub number {
    my ($digits, $next) = ('');
    $digits .= $next while ($next = receive(1)) ne "\n";
    return $digits;
}

# Ends every process but this one; true if none is left.
sub end_all {
    kill 'KILL', -1;
    1 while waitpid(-1, 0) > 0;
    return !grep { $_ != 1 } map { m{(\d+)$} } glob '/proc/[0-9]*';
}

sub oom_kills {
    return join '', map { /^oom_kill (\d+)/m ? $1 : '' } map { contents($_) } '/sys/fs/cgroup/memory.events',
        '/sys/fs/cgroup/memory/memory.oom_control';
}

# Has inside.pl run a script; what it told.
sub run_script {
    my ($seconds, @arguments) = @_;
    pipe my $read, my $write or give_up("pipe: $!");
    my $pid = fork // give_up("fork: $!");
    if (!$pid) {
        open STDIN, '<', '/dev/null';
        open STDERR, '>&', $write;
        exec 'perl', '-e', $inside, @arguments or POSIX::_exit(127);
    }
    close $write;
    my ($told, $begun, $started) = ('', 0, now());
    my $deadline = $started + $seconds + $patient;
    while (1) {
        vec(my $ready = '', fileno STDIN, 1) = 1;
        vec($ready, fileno $read, 1) = 1;
        select $ready, undef, undef, 1;
        POSIX::_exit(0) if vec($ready, fileno STDIN, 1) and !sysread STDIN, my $nothing, 1;
        if (now() > $deadline) {    # a script may stop inside.pl, if it runs as the same user
            $told .= sprintf "\ncodemonkeys: timed-out 0 %.2f 0 lost\n", now() - $started;
            return $told;
        }
        next unless vec($ready, fileno $read, 1);
        last unless sysread $read, $told, 65536, length $told;
        if (!$begun and $told =~ /^codemonkeys: begun$/m) {
            ($begun, $started) = (1, now());
            $deadline = $started + $seconds + $grace;
        }
    }
    if (waitpid($pid, 0) == $pid and WIFSIGNALED($?)) {    # or kill it
        my @end = (WTERMSIG($?), now() - $started, oom_kills() || 0);
        $told .= sprintf "\ncodemonkeys: killed %d %.2f %s lost\n", @end;
    }
    return $told;
}

open my $routes, '<', '/proc/net/route' or give_up("/proc/net/route: $!");
give_up('it has a network') if (() = <$routes>) > 1;
$SIG{PIPE} = 'IGNORE';
my $kills = oom_kills();
# Podman lets nobody say at the start of a container whose they are to be.
chown($uid, $gid, map { $_->[0] } @places) == @places and chown($owner, $owner, $folder) or give_up("chown: $!");
place('..reference' => '');
fill();
if (!$once) {    # once filled, the folders themselves are as they will be
    empty();
    @clean = state_now();
    fill();
}

while (1) {
    tell_owner('ready');
    # No alarm: this process has no handler of a signal, so that no script can send it one.
    vec(my $ready = '', fileno STDIN, 1) = 1;
    POSIX::_exit(0) unless select $ready, undef, undef, $wait;
    my ($word, $seconds, $name, $text, $patch, $kept, $layer, @arguments) = map { receive(number()) } 1 .. number();
    lay($layer) if length $layer;
    place($name => $text, length $patch ? ('.patch' => $patch) : ());
    my $told = run_script($seconds, @arguments);
    my $ended = end_all();
    write_out($word);
    write_out(changes() . "$word end") if $kept and $ended;
    syswrite STDERR, "$told\ncodemonkeys: over $word\n";
    if ($kept) {
        give_up('memory ran out') if !$ended or oom_kills() ne $kills;
        as_owner(sub { unlink glob "$folder/* $folder/.[!.]*"; 1 });
        next;
    }
    last if $once or !$ended;
    give_up('memory ran out') if oom_kills() ne $kills;
    empty();
    if (defined(my $left = difference())) { give_up("left behind: $left") }
    fill();
}
