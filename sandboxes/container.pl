# Process 1 of a container: waits for scripts, has inside.pl run each, and sees to it that nothing of one is left.
#
#   perl container.pl ONCE WAIT USER OWNER MOST_BYTES MOST_ENTRIES [PLACE TEMPLATE]...
#
# ONCE: end after one script. WAIT: seconds to wait for a script before it ends by itself. USER: who runs scripts, as
# uid:gid:groups. OWNER: the uid that owns FOLDER, where scripts are placed; no script runs as that user. PLACEs: the
# folders that can be written, each with the folder it is filled from, which may be empty. inside.pl and layers.pl lie
# beside this program.
#
# A job comes on standard input as a count and that many strings, each after its length: a word that nobody can guess,
# the seconds the script may take, the name and text of the script, the patch, whether it is a command of a session, a
# layer to be laid before it (see layers.pl), and the arguments of inside.pl. Standard output carries what the script
# wrote and then the word, and of a command what has changed and `WORD end`; standard error what inside.pl told, then
# `codemonkeys: over WORD`. `codemonkeys: ready` says that it waits, and is said only when nothing of the script before
# can be left but, of a command, its files.
#
# It ends, and with it every process of the container, when its standard input does: when its owner is gone.
#
# Modules other than these take longer to load than a script to start: hence numbers of the kernel in place of names.
use strict;
use warnings;
use Config;

# Does what the text of a program says, in a package of its own, and ends. Here, where it sees no variable of ours.
sub evaluate { eval "package $_[0]; $_[1]"; print STDERR $@ if $@; exit($@ ? 255 : 0) }

my ($once, $wait, $user, $owner) = splice @ARGV, 0, 4;
my @most = splice @ARGV, 0, 2;
my @places = map { [splice @ARGV, 0, 2] } 1 .. @ARGV / 2;
my ($inside, $layers) = map { contents($0 =~ s/container/$_/r) } 'inside', 'layers';
my $reference = '/codemonkeys/..reference';    # no name that a script's removal takes
my $folder = '/codemonkeys';
my ($patient, $grace) = (20, 3);    # seconds for the patch, and for inside.pl to notice that the time is over
my @clean;    # state_now() before the first script
my ($uid, $gid, $groups) = split /:/, $user;
my @drop = ('/usr/bin/setpriv', '--no-new-privs', '--inh-caps=-all', '--bounding-set=-all', "--reuid=$uid",
    "--regid=$gid", length $groups ? "--groups=$groups" : '--clear-groups');
my $filled;    # when the folders were
my ($type, $regular, $directory, $write_create_exclusively) = (0170000, 0100000, 0040000, 0301);
my $before_drop = 8;    # arguments of inside.pl
# Numbers of the kernel's calls that Perl has no function for; elsewhere programs do the same more slowly.
my ($machine) = $Config{archname} =~ /^(x86_64|aarch64)/;
my %call = $machine ? do {
    my @names = qw(prctl capset setgroups setresgid setresuid listxattr statfs);
    my %numbers = (x86_64 => [157, 126, 116, 119, 117, 194, 137], aarch64 => [167, 91, 159, 149, 147, 11, 43]);
    map { $names[$_] => $numbers{$machine}[$_] } 0 .. $#names;
} : ();
my %tools = (PATH => '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin', LANG => 'C');

sub tell_owner { syswrite STDERR, "codemonkeys: $_[0]\n" }

sub give_up { tell_owner("cannot go on: $_[0]"); exit 1 }

# Becomes the user, with no privilege and no way to one; true if that is so.
sub drop_privileges {
    my ($set_no_new_privileges, $drop_from_bounding_set) = (38, 24);
    my @groups = map { $_ + 0 } split /,/, $groups;
    syscall $call{prctl}, $set_no_new_privileges, 1, 0, 0, 0;
    for my $capability (0 .. 63) { last if syscall($call{prctl}, $drop_from_bounding_set, $capability, 0, 0, 0) }
    syscall $call{setgroups}, scalar @groups, pack 'L*', @groups;
    syscall $call{setresgid}, ($gid + 0) x 3;
    syscall $call{setresuid}, ($uid + 0) x 3;
    my ($version, $nothing) = (pack('L2', 0x20080522, 0), pack 'L6', (0) x 6);
    syscall $call{capset}, $version, $nothing;
    my $status = contents('/proc/self/status');
    my $none = () = $status =~ /^Cap(?:Inh|Prm|Eff|Bnd|Amb):\t0+$/mg;
    my $same_groups = $status =~ /^Groups:\t(.*?)\s*$/m && $1 eq join ' ', sort { $a <=> $b } @groups;
    return $none == 5 && $same_groups && $status =~ /^Uid:(?:\t$uid){4}$/m && $status =~ /^Gid:(?:\t$gid){4}$/m
        && $status =~ /^NoNewPrivs:\t1$/m;
}

# Runs a program of the image without any privilege, or the text of one in Perl if given a reference to it; what it wrote.
# The image cannot have been changed: it is read-only.
sub run_as_user {
    my ($program, @arguments) = @_;
    my $text = ref $program && $$program;
    my $pid = open(my $read, '-|') // give_up("fork: $!");
    if (!$pid) {
        %ENV = %tools;
        open STDIN, '<', '/dev/null';
        open STDERR, '>&', \*STDOUT;
        my @command = $text ? ('perl', '-e', $text, @arguments) : ($program, @arguments);
        if (!%call) { exec { $drop[0] } @drop, @command or exit 127 }
        drop_privileges() or exit 126;
        if (!$text) { exec { $command[0] } @command or exit 127 }
        @ARGV = @arguments;
        evaluate('user', $text);
    }
    my $said = do { local $/; <$read> } // '';
    close $read or give_up(($text ? "perl ... $arguments[0]" : $program) . " failed: $said");
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

# What lies in a folder, the top of a file system, as its numbers tell it: blocks and files in use, and of the folder
# itself its permissions, owner, and bytes of extended attributes. A file system without a single block in use, and one
# entry, its own folder, holds nothing.
sub numbers_of {
    my ($path) = @_;
    my $numbers = "\0" x 256;
    return "unknown: $path " . rand if syscall $call{statfs}, $path, $numbers;
    my $attributes = syscall $call{listxattr}, $path, 0, 0;
    return join ' ', $path, (unpack 'q7', $numbers)[2, 3, 5, 6], (lstat $path)[2, 4, 5], $attributes;
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
        push @found, join ' ', $path, @seen[0 .. 6], ($seen[2] & $type) == $regular ? $seen[7] : ();
        next unless ($seen[2] & $type) == $directory and $seen[0] == $device;
        opendir my $entries, $path or return "closed: $path " . rand;
        push @left, map { "$path/$_" } grep { !/^\.\.?$/ } sort readdir $entries;
    }
    return @found;
}

# All that one script could leave to the next, as lines; equal lines say that it left nothing.
sub state_now {
    my %place = map { $_->[0] => 1 } @places, [$folder];
    my @state = map { contents($_) } '/proc/self/mountinfo', '/proc/self/limits', '/proc/self/oom_score_adj',
        '/proc/self/coredump_filter', '/proc/self/timerslack_ns', '/proc/self/autogroup', glob('/proc/sysvipc/*');
    for (split /\n/, $state[0]) {
        my ($path, $options, $kind) = /^\S+ \S+ \S+ \S+ (\S+) (\S+) .*?- (\S+) / or next;
        next if $place{$path} or $options !~ /^rw\b/ or $kind =~ /^(proc|devpts)$/ or $path =~ m{^/proc/};
        push @state, $kind =~ /^(tmpfs|mqueue)$/ ? listing($path) : "can be written: $path " . rand;
    }
    push @state, %call ? run_as_user(\'print main::numbers_of($_), "\n" for @ARGV', sort keys %place) : 'unknown: ' . rand;
    return map { split /\n/ } @state;
}

sub difference {
    my %before = map { $_ => 1 } @clean;
    my %after = map { $_ => 1 } state_now();
    return (grep({ !$before{$_} } keys %after), grep { !$after{$_} } keys %before)[0];
}

sub fill {
    for (grep { length $_->[1] } @places) {
        my ($place, $template) = @$_;
        # An archive is one file to open where the template itself is as many as it holds.
        if (-f "$template.tar") { run_as_user('tar', '-xpf', "$template.tar", '--no-same-owner', '-C', $place) }
        else { run_as_user('cp', '-a', "$template/.", $place) }
    }
    as_owner(sub { utime undef, undef, $reference });
    $filled = now();
}

sub empty {
    my @find = ('find', (map { $_->[0] } @places), '-xdev', '-mindepth', '1');
    # A time may tell something, too.
    my $remove = 'utime undef, undef, grep { m{^/} } @ARGV;'
        . 'open STDERR, ">", "/dev/null"; exit 0 if !system @ARGV, "-delete";'
        . 'system @ARGV, "-type", "d", "-exec", "chmod", "u+rwx", "{}", ";"; system @ARGV, "-delete"';
    run_as_user(\$remove, @find);
    as_owner(sub { unlink glob "$folder/* $folder/.[!.]*"; 1 });
}

# Does something as the owner of the folder of scripts, which nobody else may write. No script runs meanwhile.
sub as_owner {
    my ($work) = @_;
    local $) = "$owner $owner";
    local $> = $owner;
    return $> == $owner && $work->();
}

sub place {
    my %files = @_;
    as_owner(sub {
        for my $name (keys %files) {
            sysopen my $file, "$folder/$name", $write_create_exclusively, 0444 or return 0;
            chmod 0444, $file;
            !length $files{$name} or syswrite($file, $files{$name}) == length $files{$name} or return 0;
        }
        return 1;
    }) or give_up('the script could not be placed');
}

# Lays what an earlier session has changed.
sub lay {
    my ($layer) = @_;
    place('..layer' => $layer);
    run_as_user(\$layers, 'lay', "$folder/..layer", map { @$_ } @places);
    as_owner(sub { unlink "$folder/..layer" });
}

# What has changed since the folders were filled.
sub changes {
    return run_as_user(\$layers, 'pack', $reference, @most, map { @$_ } @places);
}

sub write_out {
    my ($bytes) = @_;
    my $from = 0;
    while ($from < length $bytes) {
        my $written = syswrite(STDOUT, $bytes, 65536, $from) // exit 0;
        $from += $written;
    }
}

sub receive {
    my ($size) = @_;
    my $data = '';
    while (length $data < $size) {
        sysread(STDIN, $data, $size - length $data, length $data) or exit 0;
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
    splice @arguments, $before_drop, 0, @drop if !%call;
    pipe my $read, my $write or give_up("pipe: $!");
    my $pid = fork // give_up("fork: $!");
    if (!$pid) {
        open STDIN, '<', '/dev/null';
        open STDERR, '>&', $write;
        $SIG{PIPE} = 'DEFAULT';
        @ARGV = @arguments;
        evaluate('inside', $inside);
    }
    close $write;
    my ($told, $begun, $started) = ('', 0, now());
    my $deadline = $started + $seconds + $patient;
    while (1) {
        vec(my $ready = '', fileno STDIN, 1) = 1;
        vec($ready, fileno $read, 1) = 1;
        select $ready, undef, undef, 1;
        exit 0 if vec($ready, fileno STDIN, 1) and !sysread STDIN, my $nothing, 1;
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
    if (waitpid($pid, 0) == $pid and $? & 127) {    # or kill it
        my @end = ($? & 127, now() - $started, oom_kills() || 0);
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
    exit 0 unless select $ready, undef, undef, $wait;
    my ($word, $seconds, $name, $text, $patch, $kept, $layer, @arguments) = map { receive(number()) } 1 .. number();
    # What changes from now on is later: the kernel's clock of files has a tick of some milliseconds.
    select undef, undef, undef, 0.03 if $kept and now() < $filled + 0.03;
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
