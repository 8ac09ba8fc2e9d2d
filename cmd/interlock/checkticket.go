package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"strings"
	"time"

	"interlock/services/rail"
	"interlock/services/ticketcode"
)

type checkTicketCommand struct {
	Code string    `arg:"" help:"The code's letters, as scanned or typed; - reads them from standard input."`
	Keys string    `help:"The public keys (interlock ticket-keys --public). Else our own." placeholder:"FILE"`
	At   time.Time `help:"Ask for another time than now, such as 2030-01-01T08:00:00+08:00." placeholder:"TIME"`
	JSON bool      `name:"json" help:"Print one JSON document."`
}

// maxCodeInput is more than any code that standard input may have.
const maxCodeInput = 64 << 10

// Why a ticket is refused, for programs.
const (
	ticketMalformed  = "MALFORMED"
	ticketUnknownKey = "UNKNOWN_KEY"
	ticketForged     = "FORGED"
	ticketNotYet     = "NOT_VALID_YET"
	ticketOver       = "OVER"
)

// checkedTicket is what a check has found.
type checkedTicket struct {
	OK bool `json:"ok"`
	// Reason is "" where OK is true.
	Reason  string `json:"reason,omitempty"`
	Message string `json:"message,omitempty"`
	// Ticket is what the code says, nil where it cannot be believed.
	Ticket *ticketDocument `json:"ticket,omitempty"`
}

// ticketDocument is a ticket as --json prints it.
type ticketDocument struct {
	RunID        rail.RunID `json:"run"`
	OrderID      string     `json:"order"`
	Index        int        `json:"index"`
	From         int        `json:"from"`
	To           int        `json:"to"`
	FromStation  string     `json:"fromStation"`
	ToStation    string     `json:"toStation"`
	Coach        string     `json:"coach"`
	Seat         string     `json:"seat"`
	DocumentTail string     `json:"documentTail"`
	ValidFrom    time.Time  `json:"validFrom"`
	ValidUntil   time.Time  `json:"validUntil"`
}

// Run checks a ticket's code with the public keys alone. It asks no server and no ledger. It exits with 1 where the
// ticket is refused.
func (c checkTicketCommand) Run(settings *Settings, out io.Writer) error {
	keys, err := c.keys(settings)
	if err != nil {
		return err
	}
	code := c.Code
	if code == "-" {
		b, err := io.ReadAll(io.LimitReader(os.Stdin, maxCodeInput))
		if err != nil {
			return err
		}
		code = string(b)
	}
	now := c.At
	if now.IsZero() {
		now = time.Now()
	}
	found := checkTicket(keys, code, now)
	if c.JSON {
		err = json.NewEncoder(out).Encode(found)
	} else {
		_, err = io.WriteString(out, found.String())
	}
	if err == nil && !found.OK {
		err = errFound
	}
	return err
}

// keys are those of --keys, or the public halves of the railway's own.
func (c checkTicketCommand) keys(settings *Settings) (*ticketcode.Keys, error) {
	if c.Keys != "" {
		keys, err := ticketcode.LoadKeys(c.Keys)
		if err != nil {
			return nil, fmt.Errorf("--keys: %w", err)
		}
		return keys, nil
	}
	path := ticketKeysPath(settings)
	if path == "" {
		return nil, errors.New("there are no ticket keys: --keys or --ticket-keys-file names their file")
	}
	keys, err := ticketcode.LoadKeys(path)
	if err != nil {
		return nil, fmt.Errorf("there are no ticket keys (--keys names a file of public ones): %w", err)
	}
	return keys, nil
}

// checkTicket reads a code, and asks whether its ticket is valid at a time.
func checkTicket(keys *ticketcode.Keys, code string, now time.Time) checkedTicket {
	t, err := keys.Check(code)
	if err != nil {
		found := checkedTicket{Reason: ticketMalformed, Message: err.Error()}
		switch {
		case errors.Is(err, ticketcode.ErrUnknownKey):
			found.Reason = ticketUnknownKey
		case errors.Is(err, ticketcode.ErrForged):
			found.Reason = ticketForged
		}
		return found
	}
	document := ticketDocument(t)
	found := checkedTicket{OK: t.ValidAt(now), Ticket: &document}
	switch {
	case found.OK:
	case now.Before(t.ValidFrom):
		found.Reason, found.Message = ticketNotYet, "the ticket is not valid yet"
	default:
		found.Reason, found.Message = ticketOver, "the ticket's time is over"
	}
	return found
}

// String is what a person reads.
func (c checkedTicket) String() string {
	var b strings.Builder
	if c.OK {
		b.WriteString("valid\n")
	} else {
		fmt.Fprintf(&b, "refused: %s\n", c.Message)
	}
	if t := c.Ticket; t != nil {
		fmt.Fprintf(&b, "%s, from %s (call %d) to %s (call %d)\n", runName(t.RunID), t.FromStation, t.From+1,
			t.ToStation, t.To+1)
		fmt.Fprintf(&b, "coach %s, seat %s\n", t.Coach, t.Seat)
		fmt.Fprintf(&b, "the document's number ends with %s\n", t.DocumentTail)
		fmt.Fprintf(&b, "valid from %s to %s\n", t.ValidFrom.Format(time.RFC3339), t.ValidUntil.Format(time.RFC3339))
		fmt.Fprintf(&b, "ticket %d of the order %s\n", t.Index+1, t.OrderID)
	}
	return b.String()
}

// runName is how people call a run, from its id alone: "T12 on 2030-01-01".
func runName(id rail.RunID) string {
	encoded := string(id[:strings.LastIndexByte(string(id), '@')])
	number, err := url.PathUnescape(encoded)
	if err != nil || rail.CheckText("a number", number, len(number)) != nil {
		number = encoded // What was cut has no whole characters at its end.
	}
	return rail.RunName(number, id.Date())
}
