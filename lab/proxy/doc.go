// Package proxy is the way from one server to one member of the database: a proxy on loopback, in this process. On it
// answers come late, everything vanishes, or the answer to a COMMIT breaks off at a byte.
//
// Delays and vanishing are toxiproxy's toxics on toxiproxy's links. Where an answer to COMMIT begins follows from what
// was asked. So both ends of a connection here follow MySQL's protocol, as far as to see which command is under way.
// They cannot follow what is encrypted or compressed; the lab's servers ask for neither.
//
// A Proxy's methods may be called from several goroutines. It ends with Close.
package proxy
