package servers

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
)

const host = "127.0.0.1"

// Ports are taken from below the range that the kernel gives to outgoing connections (32768 and up on Linux). A killed
// server's port from within that range could become an outgoing connection's before the server is back. A client that
// polls the dead port could even be connected to itself.
const (
	firstPort = 20_000
	lastPort  = 32_000
)

// portTries is how many ports are tried: one in use is rare, so that many in a row mean something else is wrong.
const portTries = 20

// freePort chooses a port that is free now. It may be taken before it is used: startOnPort tries another one then.
func freePort() (int, error) {
	var last error
	for range portTries {
		port := firstPort + rand.IntN(lastPort-firstPort)
		listener, err := net.Listen("tcp", address(port))
		if err != nil {
			last = err
			continue
		}
		return port, listener.Close()
	}
	return 0, fmt.Errorf("no free port in %d tries: %w", portTries, last)
}

// startOnPort starts a server on the wanted port, or with 0 on free ones until the server gets one before another
// process.
func startOnPort(wanted int, start func(port int) error) error {
	port, tries := wanted, 1
	if wanted == 0 {
		tries = portTries
	}
	for range tries {
		if wanted == 0 {
			var err error
			if port, err = freePort(); err != nil {
				return err
			}
		}
		if err := start(port); !errors.Is(err, errPortTaken) {
			return err
		}
	}
	return fmt.Errorf("port %d %w", port, errPortTaken)
}

func address(port int) string { return net.JoinHostPort(host, strconv.Itoa(port)) }
