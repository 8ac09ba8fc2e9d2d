// Package deploy has what stands around the servers. Its files are to be copied; the tests and the lab run them as they
// are.
package deploy

import _ "embed" // for the file below

// HAProxy is the configuration of the load balancer.
//
//go:embed haproxy.cfg
var HAProxy string
