package partnerhook

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"syscall"
	"time"
)

// maxAddresses bounds how many addresses of a name are tried in one attempt.
const maxAddresses = 4

// Resolver finds the addresses of a name. See net.Resolver.
type Resolver interface {
	LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error)
}

type dialFunc func(ctx context.Context, network, address string) (net.Conn, error)

// newDialer makes what connects to an address. It judges the address once more, as the last thing before the system is
// asked to connect.
func newDialer(o *Options) *net.Dialer {
	return &net.Dialer{Control: func(_, address string, _ syscall.RawConn) error {
		to, err := netip.ParseAddrPort(address)
		if err != nil {
			return refused("it is no address")
		}
		if why := refusedAddress(to.Addr(), o.AllowPrivate); why != "" {
			return refused("it is %s", why)
		}
		return nil
	}}
}

// dialing makes connections to hosts of targets.
type dialing struct {
	options Options
	connect dialFunc
}

// dial connects to the first address of a host that is not refused and takes a connection. It looks a name up once, and
// connects to what it judged: a name that changes in between changes nothing. ErrTarget: all are refused.
func (d *dialing) dial(ctx context.Context, network, hostPort string) (net.Conn, error) {
	// The request's own deadline does not end a dial of net/http.
	ctx, cancel := context.WithTimeout(ctx, d.options.Timeout)
	defer cancel()
	host, port, err := hostOf(hostPort)
	if err != nil {
		return nil, err
	}
	addresses, err := d.addresses(ctx, host)
	if err != nil {
		return nil, err
	}
	var first error
	for i, address := range addresses {
		conn, err := d.connectWithin(ctx, network, net.JoinHostPort(address.String(), port), len(addresses)-i)
		if err == nil {
			return conn, nil
		}
		if first == nil {
			first = err
		}
		if ctx.Err() != nil {
			break
		}
	}
	return nil, first
}

// connectWithin gives an address its share of the time that is left, so that a dead one leaves some to the others.
func (d *dialing) connectWithin(ctx context.Context, network, address string, left int) (net.Conn, error) {
	deadline, _ := ctx.Deadline()
	ctx, cancel := context.WithTimeout(ctx, time.Until(deadline)/time.Duration(left))
	defer cancel()
	return d.connect(ctx, network, address)
}

// addresses are those of a host that may be called, at least one and at most maxAddresses.
func (d *dialing) addresses(ctx context.Context, host string) ([]netip.Addr, error) {
	found, err := d.lookup(ctx, host)
	if err != nil {
		return nil, err
	}
	var allowed []netip.Addr
	why := ""
	for _, address := range found {
		what := refusedAddress(address, d.options.AllowPrivate)
		switch {
		case what != "" && why == "":
			why = what
		case what == "" && len(allowed) < maxAddresses:
			allowed = append(allowed, address.Unmap())
		}
	}
	if len(allowed) == 0 {
		return nil, refused("%s is at %s", host, why)
	}
	return allowed, nil
}

var errNoAddress = errors.New("no address")

func (d *dialing) lookup(ctx context.Context, host string) ([]netip.Addr, error) {
	if address, err := netip.ParseAddr(host); err == nil {
		return []netip.Addr{address}, nil
	}
	resolver := d.options.Resolver
	if resolver == nil {
		resolver = net.DefaultResolver
	}
	name := host
	if !d.options.AllowPrivate {
		name += "." // a whole name: no search list of this host completes it
	}
	found, err := resolver.LookupNetIP(ctx, "ip", name)
	if err == nil && len(found) == 0 {
		err = errNoAddress
	}
	if err != nil {
		return nil, &lookupError{err: err}
	}
	return found, nil
}

// lookupError is about a name that could not be looked up.
type lookupError struct{ err error }

func (e *lookupError) Error() string { return "look up the name: " + e.err.Error() }
func (e *lookupError) Unwrap() error { return e.err }
