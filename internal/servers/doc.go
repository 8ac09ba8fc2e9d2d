// Package servers finds and runs real servers on this machine: MySQL, MariaDB and Redis, for the tests and the proving
// ground.
//
// Every server listens on the loopback interface alone, on a free port, keeps everything under one folder, is started
// without any configuration of the machine's, and is stopped by its process id. It dies with the process that started
// it, even when that one is killed (on Linux; elsewhere a killed parent leaves its servers running). Nothing is
// installed or downloaded here: a server that is missing is an [ErrNotInstalled], which says what to run.
//
// A server may be stopped, killed, frozen and started again on the same data and the same address, which is what the
// fault tests are made of. Its methods may be called from several goroutines, except that Start, Stop, Kill and Close
// of one server are the business of one goroutine at a time; they wait for each other.
package servers
