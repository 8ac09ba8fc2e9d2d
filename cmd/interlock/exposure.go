package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"time"
)

// lookupTimeout bounds the lookup of the name in --listen.
const lookupTimeout = 5 * time.Second

// checkExposure refuses to serve what is for development where others than this machine's users can reach it: tokens
// that are signed with a secret in a folder, and payments that take no money. Each has a flag that allows it.
func (s *Settings) checkExposure(ctx context.Context) error {
	tokens := s.OIDCIssuer == "" && !s.InsecureDevelopmentTokens
	sandbox := s.takesNoMoney() && !s.InsecureSandboxPayments
	if !tokens && !sandbox {
		return nil
	}
	why, err := s.exposed(ctx)
	if err != nil || why == "" {
		return err
	}
	var refused []error
	if tokens {
		refused = append(refused, fmt.Errorf("%s, and without --oidc-issuer development tokens are taken: "+
			"name an issuer, or say --insecure-development-tokens", why))
	}
	if sandbox {
		refused = append(refused, fmt.Errorf("%s, and the payments are a sandbox that takes no money: "+
			"say --payments none, or --insecure-sandbox-payments", why))
	}
	return errors.Join(refused...)
}

// exposed says why others than this machine's users can reach the server; "" where they cannot. Three settings tell: an
// address off loopback, a name that is not loopback's, and a trusted proxy. The last two mean that something in front
// of the server is reached from elsewhere. A proxy need not pass the name on, so it counts by itself.
func (s *Settings) exposed(ctx context.Context) (why string, err error) {
	if len(s.TrustedProxies) > 0 {
		return fmt.Sprintf("--trusted-proxies has %s, through which others reach the server", s.TrustedProxies[0]), nil
	}
	for _, name := range s.Hosts {
		if !isLoopbackName(name) {
			return fmt.Sprintf("--hosts has %s, by which others reach the server", name), nil
		}
	}
	host, _, err := net.SplitHostPort(s.Listen)
	if err != nil {
		return "", fmt.Errorf("--listen: %w", err)
	}
	addresses, err := addressesOf(ctx, host)
	if err != nil {
		return "", fmt.Errorf("--listen: %w", err)
	}
	// A name with several addresses may be served on any of them.
	if slices.ContainsFunc(addresses, func(a netip.Addr) bool { return !a.Unmap().IsLoopback() }) {
		return fmt.Sprintf("--listen %s is not a loopback address", s.Listen), nil
	}
	return "", nil
}

// addressesOf are the addresses of the host in --listen. No host is every address of the machine.
func addressesOf(ctx context.Context, host string) ([]netip.Addr, error) {
	if host == "" {
		return []netip.Addr{netip.IPv6Unspecified()}, nil
	}
	if address, err := netip.ParseAddr(host); err == nil {
		return []netip.Addr{address}, nil
	}
	ctx, cancel := context.WithTimeout(ctx, lookupTimeout)
	defer cancel()
	return net.DefaultResolver.LookupNetIP(ctx, "ip", host)
}

func isLoopbackName(name string) bool {
	address, err := netip.ParseAddr(strings.Trim(name, "[]"))
	return err == nil && address.Unmap().IsLoopback() || strings.EqualFold(name, "localhost")
}

// hosts are the names of the settings, and the name in --listen. The server also answers to loopback's names, and to
// the address that a connection came to.
func (s *Settings) hosts() []string {
	names := slices.Clone(s.Hosts)
	host, _, err := net.SplitHostPort(s.Listen)
	if _, noName := netip.ParseAddr(host); err == nil && host != "" && noName != nil {
		names = append(names, host)
	}
	return names
}
