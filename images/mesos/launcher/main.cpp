// mesos-master and mesos-agent on top of the only binary build of Apache Mesos 1.11.0 that is still
// published: the shared object of the Python egg mesos.scheduler 1.11.0, which contains all of
// libmesos and exports its C++ symbols.  What is called, and in which order, follows the documented
// start-up order of the two daemons.
#include <sys/stat.h>
#include <unistd.h>

#include <cstring>

#include "repairs.hpp"
#include "startup.hpp"

constexpr Duration FOREVER{-1000000000};

static int master(int argc, char** argv) {
  using namespace mesos::internal::master;
  const string url = takeSecretUrl("zk", argc, argv);
  Values values;
  auto* flags = loadFlags<Flags>(argc, argv, &values);
  startLibprocess("master", "master");
  if (url.empty()) die("--zk is required");  // appointing itself needs the inline Master::info()
  const OptStr realm(string("mesos-master-readonly")), zk(url);
  const Duration timeout = values.duration("ZK_SESSION_TIMEOUT");

  void* storage;
  if (values.get("REGISTRY") == "in_memory") {
    storage = new mesos::state::InMemoryStorage;
  } else {
    if (!values.has("WORK_DIR") || !values.has("QUORUM")) die("the replicated log needs --work_dir and --quorum");
    mkdir(values.get("WORK_DIR").c_str(), 0755);
    auto parsed = get(zookeeper::URL::parse(url), "parse --zk");
    storage = new mesos::state::LogStorage(new mesos::log::Log(
        std::stoi(values.get("QUORUM")), values.get("WORK_DIR") + "/replicated_log", parsed.servers, timeout,
        parsed.path + (parsed.path == "/" ? "" : "/") + "log_replicas", parsed.authentication,
        values.get("LOG_AUTO_INITIALIZE") == "true", string("registrar/")), 0);
  }
  auto* registrar = new Registrar(*flags, new mesos::state::State{nullptr, storage}, realm);
  auto* contender = get(mesos::master::contender::MasterContender::create(
      zk, values.opt("MASTER_CONTENDER"), timeout), "create the contender");
  auto* detector = get(mesos::master::detector::MasterDetector::create(
      zk, values.opt("MASTER_DETECTOR"), timeout), "create the detector");
  auto authorize = authorizer(values, argc, argv);
  using namespace allocator;
  auto* m = new Master(
      reinterpret_cast<mesos::allocator::Allocator*>(
          new MesosAllocator<HierarchicalAllocatorProcess<DRFSorter, DRFSorter>>),
      registrar, new mesos::internal::Files(realm, authorize), contender, detector, authorize, {}, *flags);
  process::wait(process::spawn(processBase(m), false), FOREVER);
  return 0;
}

static int agent(int argc, char** argv) {
  using namespace mesos::internal::slave;
  const string url = takeSecretUrl("master", argc, argv);
  setenv("MESOS_CONTAINERIZERS", "docker", 0);  // Mesos' own default cannot work here
  Values values;
  auto* flags = loadFlags<Flags>(argc, argv, &values);
  if (url.empty() == !values.has("MASTER_DETECTOR")) die("give one of --master and --master_detector");
  const string id = process::ID::generate("slave");
  startLibprocess(id, "agent");
  allowCgroups2();
  replaceContainerizerDebug();
  keepHttpExecutors(values);
  auto* fetcher = new Fetcher(*flags);
  auto* gc = new GarbageCollector(values.get("WORK_DIR"));
  auto* secrets = get(mesos::SecretResolver::create(values.opt("SECRET_RESOLVER")), "create the secret resolver");
  auto* jwt = values.has("JWT_SECRET_KEY")
    ? new mesos::authentication::executor::JWTSecretGenerator(readFile(values.get("JWT_SECRET_KEY"))) : nullptr;
  auto* containerizer = get(Containerizer::create(
      *flags, false, fetcher, gc, secrets, nullptr, nullptr, nullptr), "create the containerizer");
  auto* detector = get(mesos::master::detector::MasterDetector::create(
      url.empty() ? OptStr() : OptStr(url), values.opt("MASTER_DETECTOR"), values.duration("ZK_SESSION_TIMEOUT")),
      "create the detector");
  auto authorize = authorizer(values, argc, argv);
  auto* s = new Slave(
      id, *flags, detector, containerizer,
      new mesos::internal::Files(string("mesos-agent-readonly"), authorize), gc,
      new TaskStatusUpdateManager(*flags),
      get(ResourceEstimator::create(values.opt("RESOURCE_ESTIMATOR")), "create the resource estimator"),
      get(QoSController::create(values.opt("QOS_CONTROLLER")), "create the QoS controller"),
      reinterpret_cast<mesos::SecretGenerator*>(jwt), nullptr, nullptr, {}, {}, authorize);
  process::wait(process::spawn(processBase(s), false), FOREVER);
  return 0;
}

int main(int argc, char** argv) {
  const string name = strrchr(argv[0], '/') ? strrchr(argv[0], '/') + 1 : argv[0];
  if (name == "mesos-master") _exit(master(argc, argv));
  if (name == "mesos-agent") _exit(agent(argc, argv));
  std::cerr << "call this program mesos-master or mesos-agent" << std::endl;
  return 2;
}
