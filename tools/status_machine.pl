# What `make status` asks a machine: everything at the same time, by this one program. SSH gives it to `perl -` there, and
# tools/status_probe.py reads what it prints: for each question a line "@@aerie NAME STATUS" and the answer.
#
#     perl - ADDRESS [front-end [ROOT]]      ADDRESS: the machine's in its LAN; ROOT, for tests: what its paths begin with
#
# In Perl and without modules, because seven machines on two cores showed where the time goes: a start of the Docker CLI takes 30 ms
# of cpu, a `docker exec` 100 ms, Perl's module Socket 15 ms; all of this 10 ms on an agent, 80 on a front-end. Every Debian and Ubuntu has perl (perl-base is
# essential); Python or curl not every machine has. So what can be had from a socket is asked there, and `docker exec` is for what
# can be had in no other way, or when the socket does not answer: then it says why.
use strict;

my $SECONDS = 8;       # for each question, of a machine that may be busy
my $TOO_LATE = 124;    # the status of what took longer, as `timeout` has it
my ($UNIX, $INET, $STREAM) = (1, 2, 1);    # Linux's numbers, for which one would load the module Socket
my ($ETCD, $ZOOKEEPER) = (2379, 2181);     # ports
my ($address, $kind, $root) = (@ARGV, '', '');
my $front_end = $kind eq 'front-end';
$SIG{PIPE} = sub {};    # whoever hangs up is told by what he did not answer

# What a pool's submit node is asked, by one `docker exec`: a line "@@part NAME STATUS" before each of the two answers.
my $QUEUE = <<'SH';
t=$(mktemp -d) || exit 1
part() { # NAME COMMAND
  timeout 7 sh -c "$2" > "$t/$1" 2> "$t/$1.err"
  echo $? > "$t/$1.rc"
}
part jobs 'condor_q -totals -allusers || exit 1; echo
  cat "$(condor_config_val HISTORY)"* 2> /dev/null | grep -c "^JobStatus = 4$" || true' &
part slots 'exec condor_status -json -attributes Machine,AerieSite,State,Cpus,PartitionableSlot'
wait
for name in slots jobs; do
  read -r status < "$t/$name.rc"
  echo "@@part $name $status"
  cat "$t/$name"
  [ "$status" = 0 ] || cat "$t/$name.err"
done
rm -rf "$t"
SH

my @asked;

# Asks in a process of its own. $question prints the answer, or dies with what is wrong; it may end in another program by `run`.
sub ask {
    my ($name, $question) = @_;
    pipe(my $out, my $to_out) && pipe(my $err, my $to_err) or die "pipe: $!\n";
    defined(my $pid = fork) or die "fork: $!\n";
    if (!$pid) {
        open STDIN, '<', '/dev/null';
        open STDOUT, '>&', $to_out;
        open STDERR, '>&', $to_err;
        close $_ for $out, $to_out, $err, $to_err, map { @$_[2, 3] } @asked;
        alarm $SECONDS;
        exit 0 if eval { $question->(); 1 };
        print STDERR $@;
        exit 1;
    }
    push @asked, [$name, $pid, $out, $err];
}

# Becomes this program. By `timeout`, since programs in Go ignore an alarm.
sub run { exec 'timeout', $SECONDS, @_ or die "$_[0]: $!\n" }

sub unix_socket {
    my ($path) = @_;
    my $socket;
    socket($socket, $UNIX, $STREAM, 0) && connect($socket, pack 'S a*', $UNIX, "$root$path") or die "$path: $!\n";
    return $socket;
}

sub everything { my ($from) = @_; local $/; return <$from> // '' }

# What Docker's API says there, undef if there is no such thing.
sub docker {
    my ($path) = @_;
    my $socket = unix_socket('/run/docker.sock');
    syswrite $socket, "GET $path HTTP/1.0\r\n\r\n";
    my ($head, $body) = split /\r\n\r\n/, everything($socket), 2;
    return undef if ($head // '') =~ m{^HTTP/\S+ 404 };
    ($head // '') =~ m{^HTTP/\S+ 200 } or die "the Docker engine says: ", $body // $head // 'nothing', "\n";
    return $body;
}

my (%process, %submit_node);    # of running containers by name; container's id by pool

# The services' containers, a line of JSON each, and this machine's time. Of a container's environment nothing is told, since that
# holds secrets: it is looked through for submit nodes, on front-ends, where they are.
sub containers {
    my $told = '';
    for (split /(?=\{"Id":")/, docker('/containers/json?all=1')) {
        my ($id, $name) = m{^\{"Id":"(\w+)","Names":\["/([^"]+)"} or next;
        my $task = $name =~ /^mesos-[0-9a-f]{8}-/;    # as Mesos calls its tasks: mesos-UUID
        next if $task && !($front_end && /"State":"running"/);
        my $one = docker("/containers/$id/json") // next;    # it may be gone by now
        if ($task) {
            $submit_node{$1} //= $id if $one =~ /"AERIE_ROLE=submit"/ && $one =~ /"AERIE_POOL=([a-z0-9-]+)"/;
            next;
        }
        my ($state) = $one =~ /"State":(\{.*?\}),"Image":"/s;
        my ($restarts) = $one =~ /"RestartCount":(\d+)/;
        defined $state && defined $restarts or die "the Docker engine tells of $name in a way that is not known here\n";
        $process{$name} = $1 if $state =~ /"Pid":([1-9]\d*)/;
        $told .= qq({"name":"/$name","restarts":$restarts,"state":$state}\n);
    }
    return $told . time . "\n";
}

# BIRD's answer to a command (or, without one, its greeting), as birdc prints it: without the codes that lines begin with.
sub bird {
    my ($socket, $command) = @_;
    my $said = '';
    syswrite $socket, "$command\n" if defined $command;
    while (<$socket>) {
        my ($code, $more, $text) = /^(\d{4})([ -])(.*)/s;
        die "BIRD says: $text" if defined $code && $code >= 8000;
        $said .= $text // substr $_, 1 if ($code // 1) != 0;
        return $said if defined $code && $more eq ' ';
    }
    die "BIRD has hung up\n";
}

# Sessions, and on front-ends what BGP told. By BIRD's socket in its container, where nothing else of the container is used.
sub bgp {
    my $socket = unix_socket("/proc/$process{calico}/root/run/calico/bird.ctl");
    bird($socket);
    bird($socket, 'restrict');    # from here on nothing can be changed
    my ($s, $m, $h, $day, $month, $year) = gmtime;    # by which the container goes, wherever the machine is
    printf "now %d-%02d-%02d %02d:%02d:%02d\n", $year + 1900, $month + 1, $day, $h, $m, $s;
    print bird($socket, 'show protocols all');
    print "\@\@routes\n", bird($socket, 'show route where source = RTS_BGP') if $front_end;
}

# What `vpn status` prints. An older image has no socket for that.
sub vpn {
    my $said = eval { everything(unix_socket("/proc/$process{vpn}/root/run/vpn/status.sock")) };
    $said ? print $said : run(qw(docker exec vpn vpn status));
}

# The member's view of the leader, as JSON: over HTTPS with the certificate that is here for etcdctl in the container.
sub etcd {
    my $files = "$root/etc/aerie/etcd";
    pipe(my $in, my $to_in) or die "pipe: $!\n";
    syswrite $to_in, "GET /debug/vars HTTP/1.0\r\n\r\n";
    close $to_in;
    open STDIN, '<&', $in;
    open my $answer, '-|', "timeout 4 openssl s_client -quiet -connect $address:$ETCD -CAfile $files/ca.crt -cert $files/root.crt"
        . " -key $files/root.key -verify_return_error -verify_ip $address 2> /dev/null";
    my ($raft) = everything($answer) =~ /^"raft\.status": (\{.*\})/m;
    $raft ? print $raft : run(qw(docker exec etcd etcdctl --dial-timeout=2s --command-timeout=3s endpoint status -w json));
}

sub zookeeper {
    my $to = pack 'S n a4 x8', $INET, $ZOOKEEPER, pack 'C4', split /\./, $address;
    my ($socket, $said) = (undef, '');
    if (socket($socket, $INET, $STREAM, 0) && connect($socket, $to)) {
        syswrite $socket, 'srvr';
        $said = everything($socket);
    }
    $said ? print $said : run(qw(docker exec zookeeper zk-4lw srvr), $address);
}

# First what needs nothing of the engine, which may hang.
if ($front_end) {
    ask(etcd => \&etcd) if -d "$root/etc/aerie/etcd";
    ask(zookeeper => \&zookeeper) if -d "$root/etc/aerie/zookeeper";
}
my $status = 0;
$SIG{ALRM} = sub { $status = $TOO_LATE; die "\n" };
alarm $SECONDS;
my $told = eval { containers() };
if (!defined $told) { $told = $@; $status ||= 1 }
alarm 0;
$SIG{ALRM} = 'DEFAULT';
print "\@\@aerie containers $status\n$told\n";
ask(bgp => \&bgp) if $process{calico};
ask(vpn => \&vpn) if $process{vpn};
ask(opensearch => sub { run(qw(docker exec opensearch opensearch-health)) }) if $process{opensearch};
for my $pool (sort keys %submit_node) {
    ask("pool-$pool" => sub { run(qw(docker exec), $submit_node{$pool}, 'sh', '-c', $QUEUE) });
}
for (@asked) {
    my ($name, $pid, $out, $err) = @$_;
    my ($said, $trouble) = (everything($out), everything($err));
    waitpid $pid, 0;
    my $status = $? & 127 ? $TOO_LATE : $? >> 8;
    print "\@\@aerie $name $status\n$said\n", $status ? $trouble : '';
}
