// Package payrpc carries services/pay between processes: a Handler puts it behind RPC (Connect, gRPC and gRPC-Web on
// one port), and a Client is the same at the other end. A caller need not know which of the two it has: both are a
// Service. A Port makes of a Service what a sale asks for.
//
// Every call has a deadline on both sides and a bound on its size, and may be repeated. The codes of package rail
// survive the way. Times that tell how long something may take go as durations: the two clocks may differ.
//
// A Handler asks for a secret, for a certificate, or for both (Access), before it reads what was sent.
package payrpc
