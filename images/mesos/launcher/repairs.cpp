#include "repairs.hpp"

#include <dlfcn.h>
#include <glob.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>
#include <fstream>
#include <vector>

// Make a function of the library jump to another one.  (It is linked with -Bsymbolic-functions, so
// just defining a function of the same name here would not be enough.)
static void redirect(const char* symbol, void* target) {
  auto* code = static_cast<unsigned char*>(dlsym(RTLD_DEFAULT, symbol));
  if (!code || !target) die(string("this is not the expected libmesos: no ") + symbol);
  auto page = reinterpret_cast<uintptr_t>(code) & ~uintptr_t(4095);
  if (mprotect(reinterpret_cast<void*>(page), 8192, PROT_READ | PROT_WRITE | PROT_EXEC))
    die("the kernel does not allow to change code; give the container the default seccomp profile");
  memcpy(code, "\x48\xb8", 2);       // movabs target, %rax
  memcpy(code + 2, &target, 8);
  memcpy(code + 10, "\xff\xe0", 2);  // jmp *%rax
  mprotect(reinterpret_cast<void*>(page), 8192, PROT_READ | PROT_EXEC);
}

// Mesos 1.11 knows cgroups v1 only, and its Docker containerizer does not start without a mounted
// 'cpu' hierarchy.  On a host with cgroups v2, name the unified mount instead: Docker sets the
// limits anyway, and only the usage statistics are missing then.
static Result<string> unifiedHierarchy(const string&) {
  Result<string> found;
  found.data.data.state = found.data.data.SOME;
  new (&found.data.data.t) OptStr(string("/sys/fs/cgroup"));
  return found;
}

void allowCgroups2() {
  std::ifstream mounts("/proc/self/mounts");
  string device, path, type, rest;
  while (mounts >> device >> path >> type && getline(mounts, rest))
    if (type == "cgroup" && (rest.find(",cpu,") != string::npos || rest.find(",cpu ") != string::npos)) return;
  redirect("_ZN7cgroups9hierarchyERKNSt7__cxx1112basic_stringIcSt11char_traitsIcESaIcEEE",
           reinterpret_cast<void*>(unifiedHierarchy));
}

// The endpoint /containerizer/debug needs a PendingFutureTracker, an inline class that the library
// does not export: answer with /containers instead of dereferencing a null pointer.
void replaceContainerizerDebug() {
  const string http = "_ZNK5mesos8internal5slave4Http",
               args = "ERKN7process4http7RequestERK6OptionINS4_14authentication9PrincipalEE";
  redirect((http + "18containerizerDebug" + args).c_str(),
           dlsym(RTLD_DEFAULT, (http + "10containers" + args).c_str()));
}

// What a program prints, without its last line feed; empty if it fails.
static string outputOf(const std::vector<string>& words) {
  int ends[2];
  if (pipe(ends)) return "";
  std::vector<char*> argv;
  for (const auto& w : words) argv.push_back(const_cast<char*>(w.c_str()));
  argv.push_back(nullptr);
  const pid_t child = fork();
  if (child == 0) {
    dup2(ends[1], 1);
    close(ends[0]);
    execv(argv[0], argv.data());
    _exit(127);
  }
  close(ends[1]);
  string text;
  char buffer[256];
  for (ssize_t n; (n = read(ends[0], buffer, sizeof buffer)) > 0;) text.append(buffer, n);
  close(ends[0]);
  int status = 1;
  if (child < 0 || waitpid(child, &status, 0) < 0 || status != 0) return "";
  return text.substr(0, text.find_last_not_of("\n") + 1);
}

static void write(const string& path, const string& text) {
  std::ofstream out(path);
  out << text;
  if (!out.flush()) std::cerr << "mesos: cannot write " << path << ": its task will be lost" << std::endl;
}

// Mesos notes an executor's process a second or more after its start.  If the agent ended before that,
// it would take the executor for one that never ran: look its process up now.
static void noteProcess(const string& run, const Values& values) {
  const string pid = run + "/pids/forked.pid", id = run.substr(run.rfind('/') + 1);
  if (!access(pid.c_str(), F_OK) || id.find_first_not_of("0123456789abcdef-") != string::npos) return;
  string docker = values.get("DOCKER"), socket = values.get("DOCKER_SOCKET");
  if (docker.empty() || docker[0] != '/') docker = "/usr/bin/docker";
  if (socket.rfind("unix://", 0) != 0) socket = "unix://" + socket;
  const string found = outputOf({docker, "-H", socket, "inspect", "--format", "{{.State.Pid}}", "mesos-" + id + ".executor"});
  if (found.empty() || found == "0" || found.find_first_not_of("0123456789") != string::npos) return;
  mkdir((run + "/pids").c_str(), 0755);
  write(pid, found);
}

// After a restart the Docker containerizer keeps only executors with a checkpointed libprocess
// address to which a TCP connection opens (docker.cpp, _recover); it forgets those of the v1 HTTP
// API and then removes their containers as orphans.  So give each of these such an address: the
// agent's own, with a process name that is unknown there, so that the reconnect message is dropped.
// The executors then subscribe again by themselves, as HTTP executors do.
void keepHttpExecutors(const Values& values) {
  glob_t found;
  const string pattern = values.get("WORK_DIR") + "/meta/slaves/*/frameworks/*/executors/*/runs/*/http.marker";
  if (glob(pattern.c_str(), 0, nullptr, &found) != 0) return;
  for (size_t i = 0; i < found.gl_pathc; i++) {
    const string marker = found.gl_pathv[i], run = marker.substr(0, marker.rfind('/'));
    if (run.substr(run.rfind('/')) == "/latest") continue;  // a link to one of the others
    noteProcess(run, values);
    mkdir((run + "/pids").c_str(), 0755);
    write(run + "/pids/libprocess.pid",
          "http-executor@" + (values.has("IP") ? values.get("IP") : "127.0.0.1") + ":" + values.get("PORT"));
  }
  globfree(&found);
}
