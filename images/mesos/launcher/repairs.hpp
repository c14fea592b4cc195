// What Mesos 1.11's agent needs to work on machines of today and from this shared object.
#pragma once
#include "startup.hpp"

void allowCgroups2();                            // hosts that have only cgroups v2
void replaceContainerizerDebug();                // an endpoint that would crash
void keepHttpExecutors(const Values& values);    // recovery of executors that use the v1 HTTP API
