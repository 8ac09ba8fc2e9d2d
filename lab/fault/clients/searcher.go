package clients

import (
	"encoding/json"
	"fmt"
	"time"

	"interlock/internal/pause"
	"interlock/lab/fault/history"
	"interlock/lab/load"
)

const searchDocument = `query($f:[StationCode!]!,$t:[StationCode!]!,$d:Date!){searchTickets(from:$f,to:$t,date:$d,` +
	`first:10){nodes{run{id} classes{remaining}}}}`

// search looks for tickets until the workload is left. After no answer it asks another server.
func (w *Workload) search(n int) {
	random, at := w.random(1<<32+uint64(n)), n
	for w.leaving.Err() == nil {
		run := w.options.Runs[random.IntN(len(w.options.Runs))]
		from := random.IntN(load.Calls - 1)
		c := history.Call{
			Request: history.Request{Kind: history.Search, Buyer: fmt.Sprintf("searcher-%04d", n)}, Run: run.RunID,
			From: from, To: from + 1, Server: w.options.Servers[at%len(w.options.Servers)],
		}
		c.Start = time.Now()
		answer := w.ask(w.life, c.Server, "", searchDocument, map[string]any{
			"f": []string{load.StationCode(c.From)}, "t": []string{load.StationCode(c.To)},
			"d": run.RunID.Date().String(),
		})
		c.End = time.Now()
		c.Outcome, c.Code, c.Problem = answer.outcome, answer.code, answer.problem
		if answer.outcome == history.Done && unknown(answer.data) {
			// An honest "not known just now" is an answer, and not what was searched for.
			c.Code = "UNKNOWN"
		}
		if c.Outcome != history.Done {
			at++
		}
		w.log.Add(c)
		pause.For(w.leaving, w.options.Pause)
	}
}

// unknown tells whether a search could not say what is left.
func unknown(data json.RawMessage) bool {
	var found struct {
		SearchTickets struct {
			Nodes []struct{ Classes []struct{ Remaining *int } }
		}
	}
	if json.Unmarshal(data, &found) != nil {
		return true
	}
	for _, node := range found.SearchTickets.Nodes {
		for _, class := range node.Classes {
			if class.Remaining == nil {
				return true
			}
		}
	}
	return len(found.SearchTickets.Nodes) == 0
}
