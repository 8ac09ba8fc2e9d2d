// Package servers finds and runs real servers on this machine: MySQL, MariaDB and Redis, for the tests and the proving
// ground.
//
// Every server listens on the loopback interface alone, on a free port. It keeps everything under one folder, is
// started without any configuration of the machine's, and is stopped by its process id. It dies with the process that
// started it, even when that one is killed (on Linux; elsewhere a killed parent leaves its servers running). Nothing is
// installed or downloaded here: a server that is missing is an [ErrNotInstalled], which says what to run.
//
// A server may be stopped, killed, frozen and started again on the same data and the same address: the fault tests are
// made of that. Its methods may be called from several goroutines. Start, Stop, Kill and Close of one server are for
// one goroutine at a time; they wait for each other.
package servers
