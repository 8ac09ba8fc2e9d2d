package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"

	"interlock/services/notify/orderbook"
	"interlock/services/rail"
	"interlock/services/ticketcode"
)

// ticketKeysPath is the file of the keys that sign tickets, "" where there is none: with MySQL and no setting.
func ticketKeysPath(s *Settings) string {
	if s.TicketKeysFile == "" && s.embedded() {
		return filepath.Join(s.Data, ticketKeysFile)
	}
	return s.TicketKeysFile
}

// ticketRing is the keys that sign tickets; nil where there are none. The embedded default makes a key of its own.
func ticketRing(s *Settings) (*ticketcode.Ring, error) {
	path := ticketKeysPath(s)
	if path == "" {
		return nil, nil
	}
	load := ticketcode.LoadRing
	if s.TicketKeysFile == "" {
		load = ticketcode.LoadOrMakeRing
	}
	ring, err := load(path)
	if err != nil {
		return nil, noTicketKeys(err)
	}
	return ring, nil
}

// wireTicketCodes reads the keys that sign tickets and check them.
func (s *Server) wireTicketCodes() error {
	s.codes = &ticketcode.Keys{}
	ring, err := ticketRing(s.settings)
	if ring != nil {
		s.signer, s.codes = ring.Signer(), ring.Keys()
	}
	return err
}

// ticketCodes are the codes on tickets: checked with the public keys, and made of orders.
type ticketCodes struct {
	*ticketcode.Keys
	book *orderbook.Book
}

// Of implements resolvers.TicketCodes.
func (c ticketCodes) Of(ctx context.Context, o *rail.Order, ticket int) (string, error) {
	return c.book.CodeOf(ctx, o, ticket)
}

// errNoTicketKeys is what a command says that needs keys, where no file of them is known.
var errNoTicketKeys = errors.New("there are no ticket keys: --ticket-keys-file names their file")

// noTicketKeys says of an error of the file what to do about it.
func noTicketKeys(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("there are no ticket keys (interlock ticket-keys --add makes one): %w", err)
	}
	return fmt.Errorf("the ticket keys: %w", err)
}

type ticketKeysCommand struct {
	Add    bool   `help:"Make a new key, which signs from a server's next start on. The others stay good." xor:"do"`
	Drop   string `help:"Remove a key: what it has signed is refused from then on." placeholder:"ID" xor:"do"`
	Public bool   `help:"Print the public keys, as a file for the devices of inspectors." xor:"do"`
}

// Run shows the keys that sign tickets, or changes their file.
func (c ticketKeysCommand) Run(settings *Settings, out io.Writer) error {
	path := ticketKeysPath(settings)
	if path == "" {
		return errNoTicketKeys
	}
	ring, err := c.ring(settings, path)
	if err != nil {
		return err
	}
	if c.Public {
		_, err := out.Write(ring.Keys().PEM())
		return err
	}
	for i, id := range ring.Keys().IDs() {
		what := "signs"
		if i > 0 {
			what = "is still good"
		}
		if _, err := fmt.Fprintf(out, "%s %s\n", id, what); err != nil {
			return err
		}
	}
	return nil
}

// ring is the file's keys, after they were changed as asked for.
func (c ticketKeysCommand) ring(settings *Settings, path string) (*ticketcode.Ring, error) {
	var ring *ticketcode.Ring
	var err error
	switch {
	case c.Add:
		if settings.TicketKeysFile == "" {
			if err := settings.dataFolder(); err != nil {
				return nil, err
			}
		}
		ring, err = ticketcode.ChangeRing(path, func(old *ticketcode.Ring) (*ticketcode.Ring, error) {
			return refuseChange(old.Add())
		})
	case c.Drop != "":
		ring, err = ticketcode.ChangeRing(path, func(old *ticketcode.Ring) (*ticketcode.Ring, error) {
			if old == nil {
				return nil, fmt.Errorf("%s: %w", path, fs.ErrNotExist)
			}
			return refuseChange(old.Drop(c.Drop))
		})
	default:
		ring, err = ticketcode.LoadRing(path)
	}
	if err != nil && rail.CodeOf(err) != rail.Invalid {
		err = noTicketKeys(err)
	}
	return ring, err
}

// refuseChange makes a refusal of what keeps keys from being changed.
func refuseChange(ring *ticketcode.Ring, err error) (*ticketcode.Ring, error) {
	if err != nil {
		return nil, rail.Refuse(rail.Invalid, "%s", err)
	}
	return ring, nil
}

// ticketKey is the id of the key that tickets are signed with; "none" where there is none.
func (s *Server) ticketKey() string {
	if s.signer == nil {
		return "none"
	}
	return s.signer.ID().String()
}
