// Package search is `lab search`: searchers ask one server for tickets of the sample timetable, one question after the
// other. They hold it to promise 5: a search never touches MySQL, and what it says is at most a second old.
//
// They go through HTTP and GraphQL like a web frontend, each on a connection of its own. MySQL's own counters say what
// the searches made it do. A sale whose orders can be counted on one leg (package background) says how old an answer
// is. Then MySQL is frozen, and after that the cache killed, while the searches go on.
//
// The package repairs nothing, and never counts a wrong answer: one with a missing offer, with a count that is not
// known while the cache is well, or an error.
package search
