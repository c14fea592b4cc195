#include "startup.hpp"

#include <cstring>
#include <fstream>
#include <iterator>

__attribute__((noinline)) process::ProcessBase* processBase(void* p) {
  return reinterpret_cast<process::ProcessBase*>(
      static_cast<char*>(p) + reinterpret_cast<ptrdiff_t*>(*static_cast<void**>(p))[-3]);
}

Duration Values::duration(const string& k) const {
  return ::get(Duration::parse(get(k)), "parse the duration " + k);
}

static string trimmed(const string& s) {
  const char* blank = " \t\r\n";
  size_t first = s.find_first_not_of(blank);
  return first == string::npos ? "" : s.substr(first, s.find_last_not_of(blank) - first + 1);
}

string readFile(const string& path) {
  std::ifstream in(path);
  if (!in) die("cannot read " + path);
  return string(std::istreambuf_iterator<char>(in), {});
}

string withoutPassword(const string& url) {
  size_t scheme = url.find("://"), at = url.rfind('@');
  if (scheme == string::npos || at == string::npos) return url;
  size_t colon = url.find(':', scheme + 3);
  return colon == string::npos || colon > at ? url : url.substr(0, colon + 1) + "***" + url.substr(at);
}

static string fileOrValue(string v) {
  if (v.rfind("file://", 0) == 0) v = v.substr(7);
  return v.rfind("/", 0) == 0 ? trimmed(readFile(v)) : v;
}

// The last --NAME=VALUE, else MESOS_NAME; null if neither is there.
static const char* given(const string& name, int argc, char** argv, int* at = nullptr) {
  string flag = "--" + name + "=", variable = "MESOS_";
  for (char c : name) variable += toupper(c);
  const char* found = getenv(variable.c_str());
  for (int i = 1; i < argc; i++)
    if (!strncmp(argv[i], flag.c_str(), flag.size())) { found = argv[i] + flag.size(); if (at) *at = i; }
  return found;
}

string takeSecretUrl(const string& name, int argc, char** argv) {
  int at = 0;
  const char* text = given(name, argc, argv, &at);
  if (!text) return "";
  string url = fileOrValue(text), shown = withoutPassword(url), variable = "MESOS_";
  if (at) { argv[at] = strdup(("--" + name + "=" + shown).c_str()); return url; }
  for (char c : name) variable += toupper(c);
  setenv(variable.c_str(), shown.c_str(), 1);
  return url;
}

void refuseUnsupported(const Values& values) {
  // These would need parts of Mesos that the shared object does not export.
  for (const char* k : {"MODULES", "MODULES_DIR", "HOOKS", "FIREWALL_RULES", "AGENT_SUBSYSTEMS",
                        "AGENT_REMOVAL_RATE_LIMIT", "SLAVE_REMOVAL_RATE_LIMIT", "VOLUME_GID_RANGE",
                        "IP_DISCOVERY_COMMAND", "IP6_DISCOVERY_COMMAND", "CSI_PLUGIN_CONFIG_DIR",
                        "DOMAIN_SOCKET_LOCATION", "RESOURCE_PROVIDER_CONFIG_DIR"})
    if (values.has(k)) die(string("this build does not support --") + k + "; leave it out");
  // These have one value that this launcher honours; with any other, Mesos would silently do without.
  const struct { const char *flag, *only, *why; } fixed[] = {
    {"ALLOCATOR", "hierarchical", "the allocator is always the hierarchical one"},
    {"ROLE_SORTER", "drf", "roles are always sorted by dominant resource fairness"},
    {"FRAMEWORK_SORTER", "drf", "frameworks are always sorted by dominant resource fairness"},
    {"AUTHORIZERS", "local", "authorization is always by --acls"},
    {"AUTHORIZER", "local", "authorization is always by --acls"},
    {"HTTP_EXECUTOR_DOMAIN_SOCKETS", "false", "executors reach the agent over TCP"},
    {"CONTAINERIZERS", "docker", "the Mesos containerizer needs helper programs that this build lacks"},
  };
  for (const auto& f : fixed) {
    string v = values.get(f.flag);
    if (!values.has(f.flag) || v == f.only || (v == "HierarchicalDRF" && !strcmp(f.flag, "ALLOCATOR"))) continue;
    // The agent's own default names a containerizer that cannot work here: ask for the one that can.
    die(string("--") + f.flag + "=" + v + " would be ignored: " + f.why + "; give " + f.only);
  }
}

void exportLibprocess(const Values& values) {
  for (const char* k : {"IP", "IP6", "PORT", "ADVERTISE_IP", "ADVERTISE_PORT", "MEMORY_PROFILING"})
    if (values.has(k)) setenv((string("LIBPROCESS_") + k).c_str(), values.get(k).c_str(), 1);
}

void startLogging(const char* program, int argc, char** argv) {
  auto* log = new Option<mesos::internal::logging::Flags>;  // SOME(logging flags), built in place
  new (&log->t) mesos::internal::logging::Flags;
  log->state = log->SOME;
  get(flagsBase(&log->t)->load(string("MESOS_"), argc, argv, true, false), "load the logging flags");
  mesos::internal::logging::initialize(program, true, *log);
}

void startLibprocess(const string& id, const string& role) {
  if (!process::initialize(id, "mesos-" + role + "-readwrite", "mesos-" + role + "-readonly"))
    die("libprocess was initialized too early");
  process::spawn(processBase(new mesos::internal::VersionProcess), true);
}

Option<mesos::Authorizer*> authorizer(const Values& values, int argc, char** argv) {
  if (!values.has("ACLS")) return {};
  // The text as it was given: the flag prints itself in another syntax than JSON.
  auto* parsed = new Try<mesos::ACLs>(flags::parse<mesos::ACLs>(fileOrValue(given("acls", argc, argv))));
  auto* a = get(mesos::Authorizer::create(parsed->data.t), "create the authorizer");
  mesos::authorization::setCallbacks(mesos::authorization::createCallbacks(a));
  return a;
}
