package main

import (
	"os"
	"runtime"
)

// spareProcessors lets twice as many threads run Go code as there are processors. In a rush each of them has requests to
// read, and Go looks at the network where one has nothing to do, else a hundred times a second: what the database says to
// the one goroutine that sells would wait behind thousands of requests. A thread to spare waits in the kernel instead, which
// wakes it at once. What GOMAXPROCS says goes before it.
func spareProcessors() {
	if os.Getenv("GOMAXPROCS") == "" {
		runtime.GOMAXPROCS(2 * runtime.GOMAXPROCS(0))
	}
}
