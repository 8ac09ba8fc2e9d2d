// Package attack is `lab attack`: it plays what a hostile client does against one server of a real cluster while buyers
// buy.
//
// Each attack has two windows of the same length with the same buyers at the same offered load. In the first one the
// attackers do what they do. In the second one they send as many requests a second to a static handler instead. A
// static window that something else disturbs is taken again. An attack that makes buyers wait too long is played again,
// a few times. What the attack costs the buyers is the ratio of both p99s. A meter looks at the server's memory all the
// while, and ends a server that takes so much that the machine would be next. Every answer to an attacker is noted.
// What an attack must never get, such as a sixth unpaid order, it counts itself.
//
// Buyers, attackers and servers share one machine, so attackers are frugal. Each attack has a fixed number of
// connections and a highest number of requests a second, and understands no more of an answer than its code. How much
// of the processors the server and the lab took is in the report.
//
// The attackers of an attack are goroutines that share a tally and a pace. Both are safe for all of them. A lab is for
// one goroutine.
package attack
