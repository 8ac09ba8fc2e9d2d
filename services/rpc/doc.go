// Package rpc is what Interlock's services have in common that call each other by RPC (Connect, gRPC and gRPC-Web on one
// port): who may call, how errors travel, how calls are bounded on one side and repeated on the other.
//
// Every call has a deadline on both sides and a bound on its size, and may be repeated. The codes of package rail
// survive the way.
package rpc
