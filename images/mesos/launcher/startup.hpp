// Flags and the start of libprocess: what master and agent have in common.
#pragma once
#include <cstdlib>
#include <iostream>

#include "mesos_abi.hpp"

[[noreturn]] inline void die(const string& why) {
  std::cerr << "mesos: " << why << std::endl;
  exit(EXIT_FAILURE);
}

template <typename T> T get(const Try<T>& r, const string& what) {
  if (r.data.state != Option<T>::SOME) die("cannot " + what + ": " + r.error.t.message);
  return r.data.t;
}

// The virtual base's place is read from the object's own vtable, so these must not be inlined into
// code that sees the mirrored (wrong) complete type being constructed.
template <typename F> __attribute__((noinline)) flags::FlagsBase* flagsBase(F* f) { return f; }
process::ProcessBase* processBase(void* p);

// Every flag that has a value, by its upper-case name.
class Values {
 public:
  bool has(const string& k) const { return map_.count(k) > 0; }
  string get(const string& k) const { auto i = map_.find(k); return i == map_.end() ? "" : i->second; }
  OptStr opt(const string& k) const { return has(k) ? OptStr(get(k)) : OptStr(); }
  Duration duration(const string& k) const;
  std::map<string, string> map_;
};

string readFile(const string& path);                     // exits if it cannot be read
string withoutPassword(const string& url);               // zk://user:password@... -> zk://user:***@...

// The value of a flag that may hold a password, given as --NAME=VALUE or MESOS_NAME=VALUE, where
// VALUE may be file://PATH or /PATH.  What Mesos itself will see (and print in its log and in its
// endpoint /flags) has the password hidden.  Empty if the flag is not given.
string takeSecretUrl(const string& name, int argc, char** argv);

void refuseUnsupported(const Values& values);            // exits with an explanation
void exportLibprocess(const Values& values);             // --ip, --port, ... are libprocess's business
void startLogging(const char* program, int argc, char** argv);
void startLibprocess(const string& id, const string& role);
Option<mesos::Authorizer*> authorizer(const Values& values, int argc, char** argv);

template <typename F> F* loadFlags(int argc, char** argv, Values* values) {
  F* f = new F;
  flags::FlagsBase* base = flagsBase(f);
  auto loaded = base->load(string("MESOS_"), argc, argv, false, false);
  values->map_ = base->buildEnvironment(OptStr());
  if (values->get("HELP") == "true") { std::cout << base->usage(OptStr()) << std::endl; exit(0); }
  if (values->get("VERSION") == "true") { std::cout << "mesos 1.11.0" << std::endl; exit(0); }
  get(loaded, "load the flags");
  refuseUnsupported(*values);
  startLogging(argv[0], argc, argv);
  exportLibprocess(*values);
  return f;
}
