package main

import (
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/stretchr/testify/require"

	"interlock/services/rail"
)

// page is what a GET answers.
func page(t *testing.T, url string) string {
	t.Helper()
	response, err := http.Get(url)
	require.NoError(t, err)
	defer response.Body.Close()
	require.Equal(t, http.StatusOK, response.StatusCode)
	body, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	return string(body)
}

func TestServer_ShowsTheContractAndTheLedgersFigures(t *testing.T) {
	r := start(t, embeddedSettings(t))
	r.publishT12(t)
	contract, err := os.ReadFile("../../schema.graphql")
	require.NoError(t, err)
	require.Equal(t, string(contract), page(t, r.url+"/schema.graphql"), "with all that is said in it")
	metrics := page(t, r.url+"/metrics")
	require.Regexp(t, regexp.MustCompile(`(?m)^interlock_ledger_commits_total [1-9]`), metrics)
	for _, line := range []string{
		"interlock_ledger_commits_in_doubt_total 0\n", "interlock_ledger_compare_and_sets_lost_total 0\n",
		"interlock_ledger_probing 0\n",
		"interlock_ledger_has_primary 1\n", "interlock_ledger_two_primaries 0\n", "interlock_ledger_epoch 0\n",
		"interlock_ledger_primary_changes_total 0\n", "interlock_ledger_lists_on_primary_total 0\n",
	} {
		require.Contains(t, metrics, line)
	}
	require.Contains(t, page(t, r.url+"/readyz"), `{"name":"commits","ok":true`)
}

// Before the timetable is read, a run that is not found may exist all the same. No client is told that it does not.
func TestServer_BeforeTheTimetableIsRead(t *testing.T) {
	settings := embeddedSettings(t)
	server, err := Open(t.Context(), settings, discard())
	require.NoError(t, err)
	t.Cleanup(func() {
		require.NoError(t, server.listener.Close())
		require.NoError(t, server.stores.Close())
	})
	httpServer := httptest.NewServer(server.gateway) // The server does not run, so it reads nothing.
	t.Cleanup(httpServer.Close)
	r := &running{Server: server, url: httpServer.URL}
	admin := r.token(t, "boss", rail.RoleAdmin, rail.RolePassenger)
	run := encodeRun("T12@" + day())
	for _, query := range []string{
		`{node(id:"` + run + `"){id}}`, `{nodes(ids:["` + encodeStation("BJP") + `"]){id}}`, `{stations{nodes{code}}}`,
		`{run(train:"T12",date:"` + day() + `"){id}}`, `{runs(filter:{}){nodes{id}}}`,
		`{searchTickets(from:["BJP"],to:["SHH"],date:"` + day() + `"){nodes{version}}}`,
		`mutation{placeOrder(input:{idempotencyKey:"key-00000001",
			runId:"` + run + `",from:"BJP",to:"SHH",passengers:[]}){order{id}}}`,
	} {
		a := r.ask(t, admin, query, nil)
		require.NotEmpty(t, a.Errors, query)
		require.Equal(t, "UNAVAILABLE", a.Errors[0].Extensions.Code, query)
		require.Positive(t, a.Errors[0].Extensions.RetryAfterMs, query)
	}
	_, err = server.hub.SubscribeSeats(t.Context(), []rail.RunID{rail.RunID("T12@" + day())}, "", "")
	require.Equal(t, rail.Unavailable, rail.CodeOf(err))
}

func TestCommands_ConfigShowsWhatIsInForce(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "interlock-data")
	code, out, errs := command(t, folder, "config")
	require.Zero(t, code, errs)
	require.Contains(t, out, "durability: local\n", "the embedded default is never replicated")
	code, out, errs = command(t, folder, "config", "--mysql", "root@tcp(db:3306)/interlock")
	require.Zero(t, code, errs)
	require.Contains(t, out, "durability: replicated\n")
	code, out, errs = command(t, folder, "config", "--mysql", "root@tcp(db:3306)/interlock", "--durability", "local")
	require.Zero(t, code, errs)
	require.Contains(t, out, "durability: local\n")
}
