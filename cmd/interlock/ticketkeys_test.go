package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"interlock/services/rail"
	"interlock/services/ticketcode"
)

// ticketOf is a ticket of a train whose number has a space in it.
func ticketOf(valid time.Time) ticketcode.Ticket {
	run := rail.NewRunID("IC 12", rail.NewDate(2030, 1, 1))
	return ticketcode.Ticket{
		RunID: run, OrderID: rail.NewOrderID(run, 2, "abc"), Index: 1, From: 0, To: 2, FromStation: "VNP",
		ToStation: "AOH", Coach: "3", Seat: "23B", DocumentTail: "477A",
		ValidFrom: valid, ValidUntil: valid.Add(5 * time.Hour),
	}
}

// signedBy is the code of a ticket, signed with the first key of a file.
func signedBy(t *testing.T, file string, ticket ticketcode.Ticket) string {
	t.Helper()
	ring, err := ticketcode.LoadRing(file)
	require.NoError(t, err)
	code, err := ring.Signer().Sign(ticket)
	require.NoError(t, err)
	return code
}

func TestCommands_CheckTicket(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "interlock-data")
	code, _, errs := command(t, folder, "check-ticket", "B")
	require.Equal(t, exitCouldNotSee, code)
	require.Contains(t, errs, "there are no ticket keys")
	require.NoDirExists(t, folder, "who only looks makes nothing")

	code, _, errs = command(t, folder, "ticket-keys", "--add")
	require.Zero(t, code, errs)
	code, public, errs := command(t, folder, "ticket-keys", "--public")
	require.Zero(t, code, errs)
	keys := filepath.Join(t.TempDir(), "public.pem")
	require.NoError(t, os.WriteFile(keys, []byte(public), 0o600))
	other := filepath.Join(t.TempDir(), "other-keys")
	_, err := ticketcode.LoadOrMakeRing(other)
	require.NoError(t, err)

	from := time.Date(2030, 1, 1, 7, 0, 0, 0, time.UTC)
	own := filepath.Join(folder, ticketKeysFile)
	good := signedBy(t, own, ticketOf(from))
	now := time.Now().Truncate(time.Minute)
	changed := good[:40] + string('A'+(good[40]-'A'+1)%26) + good[41:]
	const train = "IC 12 on 2030-01-01, from VNP (call 1) to AOH (call 3)\ncoach 3, seat 23B\n" +
		"the document's number ends with 477A\n"
	for _, c := range []struct {
		name, code, at string
		exit           int
		reason, says   string
	}{
		{"good", good, "2030-01-01T09:00:00+02:00", 0, "", "valid\n" + train},
		{"typed", strings.ToLower(good[:70] + " " + good[70:]), "2030-01-01T08:00:00Z", 0, "", "valid"},
		{"good now", signedBy(t, own, ticketOf(now)), "", 0, "", "valid"},
		{"early", good, "2030-01-01T06:59:59Z", exitFound, ticketNotYet, "the ticket is not valid yet\n" + train},
		{"late", good, "2030-01-01T12:00:00Z", exitFound, ticketOver, "refused: the ticket's time is over\n" + train},
		{"early now", signedBy(t, own, ticketOf(now.Add(time.Hour))), "", exitFound, ticketNotYet, "not valid yet"},
		{"changed", changed, "", exitFound, ticketForged, "refused: the code is forged\n"},
		{"another railway's", signedBy(t, other, ticketOf(from)), "", exitFound, ticketUnknownKey, "unknown key"},
		{"none", "23B", "", exitFound, ticketMalformed, "refused: this is not a ticket code"},
	} {
		t.Run(c.name, func(t *testing.T) {
			arguments := []string{"check-ticket", c.code}
			if c.at != "" {
				arguments = append(arguments, "--at", c.at)
			}
			exit, out, errs := command(t, folder, arguments...)
			require.Equal(t, c.exit, exit, errs)
			require.Contains(t, out, c.says)
			// An inspector's device has the public keys, and no folder.
			none := filepath.Join(t.TempDir(), "none")
			exit, alone, errs := command(t, none, append(arguments, "--keys", keys)...)
			require.Equal(t, c.exit, exit, errs)
			require.Equal(t, out, alone)
			require.NoDirExists(t, none)

			exit, out, errs = command(t, folder, append(arguments, "--json")...)
			require.Equal(t, c.exit, exit, errs)
			var found checkedTicket
			require.NoError(t, json.Unmarshal([]byte(out), &found))
			require.Equal(t, c.exit == 0, found.OK)
			require.Equal(t, c.reason, found.Reason)
			require.Equal(t, strings.Contains(c.says, train) || found.OK || found.Reason == ticketNotYet,
				found.Ticket != nil, "what cannot be believed is not shown")
			if found.Ticket != nil {
				require.Equal(t, rail.RunID("IC%2012@2030-01-01"), found.Ticket.RunID)
			}
		})
	}
	code, _, errs = command(t, folder, "check-ticket", good, "--keys", filepath.Join(folder, "none"))
	require.Equal(t, exitCouldNotSee, code)
	require.Contains(t, errs, "--keys")
	code, _, errs = command(t, folder, "check-ticket", good, "--mysql", "user@tcp(db:3306)/interlock")
	require.Equal(t, exitCouldNotSee, code)
	require.Contains(t, errs, "--ticket-keys-file")
}

func TestCommands_CheckTicketFromStandardInput(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "interlock-data")
	code, _, errs := command(t, folder, "ticket-keys", "--add")
	require.Zero(t, code, errs)
	scanned := filepath.Join(t.TempDir(), "scanned")
	good := signedBy(t, filepath.Join(folder, ticketKeysFile), ticketOf(time.Now()))
	require.NoError(t, os.WriteFile(scanned, []byte(good+"\r\n"), 0o600))
	f, err := os.Open(scanned)
	require.NoError(t, err)
	defer f.Close()
	old := os.Stdin
	defer func() { os.Stdin = old }()
	os.Stdin = f
	code, out, errs := command(t, folder, "check-ticket", "-")
	require.Zero(t, code, errs)
	require.Contains(t, out, "valid\n")
	code, out, _ = command(t, folder, "check-ticket", "-")
	require.Equal(t, exitFound, code, "nothing is left to read")
	require.Contains(t, out, "not a ticket code")
}

// A key is added, and signs; what the old one signed is good until a person drops it.
func TestCommands_TicketKeysRotate(t *testing.T) {
	file := filepath.Join(t.TempDir(), "keys")
	keys := func(exit int, arguments ...string) (out, errs string) {
		t.Helper()
		code, out, errs := command(t, filepath.Join(t.TempDir(), "none"),
			append([]string{"ticket-keys", "--ticket-keys-file", file}, arguments...)...)
		require.Equal(t, exit, code, errs)
		return out, errs
	}
	check := func(exit int, code string) {
		t.Helper()
		got, out, errs := command(t, t.TempDir(), "check-ticket", code, "--ticket-keys-file", file)
		require.Equal(t, exit, got, out+errs)
	}
	_, errs := keys(exitCouldNotSee)
	require.Contains(t, errs, "ticket-keys --add makes one")
	_, errs = keys(exitCouldNotSee, "--drop", "00000000")
	require.Contains(t, errs, "ticket-keys --add makes one")
	require.NoFileExists(t, file)
	out, _ := keys(0, "--add")
	require.Regexp(t, "^[0-9a-f]{8} signs\n$", out)
	first, old := out[:8], signedBy(t, file, ticketOf(time.Now()))
	check(0, old)
	out, _ = keys(0, "--add")
	require.Regexp(t, "^[0-9a-f]{8} signs\n"+first+" is still good\n$", out)
	second := out[:8]
	listed, _ := keys(0)
	require.Equal(t, out, listed)
	check(0, old)
	check(0, signedBy(t, file, ticketOf(time.Now())))
	_, errs = keys(exitFound, "--drop", second)
	require.Contains(t, errs, second+": this key signs tickets: make another one first")
	_, errs = keys(exitFound, "--drop", "00000000")
	require.Contains(t, errs, `no ticket key "00000000"`)
	keys(exitCouldNotSee, "--add", "--public")
	out, _ = keys(0, "--drop", first)
	require.Equal(t, second+" signs\n", out)
	check(exitFound, old)
	check(0, signedBy(t, file, ticketOf(time.Now())))
}

func TestServer_HasTicketKeys(t *testing.T) {
	settings := embeddedSettings(t)
	r := start(t, settings)
	ring, err := ticketcode.LoadRing(filepath.Join(settings.Data, ticketKeysFile))
	require.NoError(t, err, "the first start makes a key")
	require.Equal(t, ring.Signer(), r.signer)
	require.Equal(t, ring.Signer().ID().String(), r.ticketKey())
	r.stop()
	again := start(t, settings)
	require.Equal(t, ring.Signer(), again.signer, "there is one first start")
	again.stop()

	// A file that the settings name is never made: on another server it would have another key.
	settings.TicketKeysFile = filepath.Join(t.TempDir(), "keys")
	_, err = Open(t.Context(), settings, discard())
	require.ErrorContains(t, err, "ticket-keys --add makes one")
	require.NoFileExists(t, settings.TicketKeysFile)
	require.NoError(t, os.WriteFile(settings.TicketKeysFile, ring.Keys().PEM(), 0o600))
	_, err = Open(t.Context(), settings, discard())
	require.ErrorContains(t, err, "PRIVATE KEY")
	require.NoError(t, os.WriteFile(settings.TicketKeysFile, ring.PEM(), 0o600))
	require.Equal(t, ring.Signer(), start(t, settings).signer)

	ring, err = ticketRing(&Settings{MySQL: []string{"user@tcp(db:3306)/interlock"}, Data: settings.Data})
	require.NoError(t, err)
	require.Nil(t, ring, "servers that share a ledger share their keys, too, or have none")
	require.Equal(t, "none", (&Server{}).ticketKey())
}
