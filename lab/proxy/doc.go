// Package proxy is the way from one server to one member of the database: a proxy on loopback, in this process, on
// which answers come late, everything vanishes, or the answer to a COMMIT breaks off at a byte.
//
// Delays and vanishing are toxiproxy's toxics on toxiproxy's links. Where an answer to COMMIT begins only who reads
// what is asked knows, so both ends of a connection here follow MySQL's protocol, as far as to see which command is
// under way. What is encrypted or compressed they cannot follow; the lab's servers ask for neither.
//
// A Proxy's methods may be called from several goroutines. It ends with Close.
package proxy
