"""What machines share: etcd, ZooKeeper, Mesos and Marathon."""
