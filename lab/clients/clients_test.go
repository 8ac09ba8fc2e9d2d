package clients_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"interlock/lab/labtest"
	"interlock/lab/load"
	"interlock/services/rail"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	// programTimeout is for one program. The longest takes some seconds on an idle machine.
	programTimeout = 2 * time.Minute
	tokenLife      = time.Hour
	// maxPrograms is on how many dates the trains run: each program has the runs of a date for itself.
	maxPrograms = 20
)

// The usual clients work, each in a program of its own.
func TestUsual(t *testing.T) {
	if testing.Short() {
		t.Skip("it starts a server and half a dozen programs")
	}
	needNode(t, "usual")
	open(t).runAll(t, "usual")
}

// needNode skips the test, or fails it where everything has to be installed, unless the programs of a folder can run.
func needNode(t *testing.T, folder string) {
	t.Helper()
	if _, err := exec.LookPath("node"); err != nil {
		missing(t, "Node is not installed")
	}
	if _, err := os.Stat(filepath.Join(folder, "node_modules/.package-lock.json")); err != nil {
		missing(t, "the packages of lab/clients/"+folder+" are not installed (make clients)")
	}
}

func missing(t *testing.T, what string) {
	t.Helper()
	if os.Getenv("INTERLOCK_REQUIRE_SERVERS") == "1" {
		t.Fatal(what)
	}
	t.Skip(what)
}

// shop is a server with a small timetable on sale. Two trains go from Zurich to Bern on each date, and a third does not
// get there.
type shop struct {
	server *labtest.Server
	first  rail.Date
	opened int
}

// open starts a server of the test's own.
func open(t *testing.T) *shop {
	t.Helper()
	// The day after tomorrow, by then it is that date in every time zone.
	s := &shop{server: labtest.Serve(t), first: rail.DateIn(time.Now(), time.UTC).AddDays(2)}
	admin, err := s.server.Tokens.Issue("boss", []rail.Role{rail.RoleAdmin}, tokenLife)
	require.NoError(t, err)
	api := load.API{Server: s.server.Addr, Token: admin}
	for code, name := range map[string]string{"ZUE": "Zürich HB", "OLT": "Olten", "BRN": "Bern", "BSL": "Basel SBB"} {
		s.publish(t, api, "publishStation", "PublishStationInput", map[string]any{
			"code": code, "name": name, "timeZone": "Europe/Zurich",
		})
	}
	for _, train := range [][]string{
		{"IC 1", "ZUE", "OLT", "BRN"}, {"IR 16", "ZUE", "BRN"}, {"IC 21", "ZUE", "OLT", "BSL"},
	} {
		s.publish(t, api, "publishTrain", "PublishTrainInput", trainOf(train[0], train[1:], s.first))
	}
	// Publications are seen in their order.
	require.NoError(t, load.AwaitRun(t.Context(), s.server.Addr, s.runID(t, api, "IC 21")))
	return s
}

func (s *shop) publish(t *testing.T, api load.API, mutation, input string, value map[string]any) {
	t.Helper()
	var answer map[string]struct {
		UserErrors []struct{ Message string }
	}
	query := fmt.Sprintf("mutation($i:%s!){%s(input:$i){userErrors{message}}}", input, mutation)
	require.NoError(t, api.Ask(t.Context(), query, map[string]any{"i": value}, &answer))
	require.Empty(t, answer[mutation].UserErrors)
}

// trainOf has one coach of 80 seats, and runs for as many dates as there may be programs.
func trainOf(number string, stations []string, first rail.Date) map[string]any {
	calls := make([]any, len(stations))
	for n, station := range stations {
		call := map[string]any{"station": station, "distanceKm": 60 * n}
		if n > 0 {
			call["arrival"] = fmt.Sprintf("%02d:00", 8+n)
		}
		if n < len(stations)-1 {
			call["departure"] = fmt.Sprintf("%02d:02", 8+n)
		}
		calls[n] = call
	}
	return map[string]any{
		"number": number, "kind": "IC", "calls": calls,
		"coaches": []any{map[string]any{"number": "1", "seatClass": rail.Second, "layout": map[string]any{
			"rows": map[string]any{"letters": "AB CD", "last": 20},
		}}},
		"fares": map[string]any{
			"currencyCode": "CHF", "perKm": []any{map[string]any{"seatClass": rail.Second, "amount": "0.25"}},
		},
		"from": first.String(), "through": first.AddDays(maxPrograms - 1).String(),
	}
}

// runID is the id of a train's run on the first date, as the ledger has it: a server's timetable may be behind it.
func (s *shop) runID(t *testing.T, api load.API, train string) string {
	t.Helper()
	var answer struct {
		Runs struct{ Nodes []struct{ ID string } }
	}
	require.NoError(t, api.Ask(t.Context(), "query($i:RunFilter!){runs(filter:$i,first:1){nodes{id}}}",
		map[string]any{"i": map[string]any{"train": train, "from": s.first.String()}}, &answer))
	require.Len(t, answer.Runs.Nodes, 1)
	return answer.Runs.Nodes[0].ID
}

// runAll runs each program of a folder.
func (s *shop) runAll(t *testing.T, folder string) {
	t.Helper()
	programs, err := filepath.Glob(filepath.Join(folder, "*.test.mjs"))
	require.NoError(t, err)
	require.NotEmpty(t, programs)
	for _, program := range programs {
		name := strings.TrimSuffix(filepath.Base(program), ".test.mjs")
		t.Run(name, func(t *testing.T) {
			said, err := s.command(t, name, folder, "node", "--test-reporter=spec", filepath.Base(program))
			require.NoError(t, err, "%s", said)
		})
	}
}

// command runs a program with the environment of shop.mjs, and returns what it printed. The passenger and the date are
// nobody else's.
func (s *shop) command(t *testing.T, passenger, folder, name string, arguments ...string) (said []byte, err error) {
	t.Helper()
	require.Less(t, s.opened, maxPrograms, "the trains run on too few dates")
	token, err := s.server.Tokens.Issue(passenger, []rail.Role{rail.RolePassenger}, tokenLife)
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), programTimeout)
	defer cancel()
	program := exec.CommandContext(ctx, name, arguments...)
	program.Dir = folder
	program.WaitDelay = time.Second
	program.Env = append(os.Environ(), "GRAPHQL_URL=http://"+s.server.Addr+"/graphql", "TOKEN="+token,
		"RUN_DATE="+s.first.AddDays(s.opened).String(), "NO_COLOR=1", "GOWORK=off")
	s.opened++
	return program.CombinedOutput()
}
