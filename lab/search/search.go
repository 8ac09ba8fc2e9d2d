package search

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"time"

	"interlock/lab/load"
)

// Searching asks for what a web frontend shows in a list of trains.
const searching = `query Find($f:[StationCode!]!,$t:[StationCode!]!,$d:Date!){searchTickets(from:$f,to:$t,date:$d){` +
	`asOf nodes{` +
	`run{id date state train{number kind}} from{station{code name} departure} to{station{code name} arrival} ` +
	`durationMinutes version classes{seatClass remaining price{amount currencyCode}}}}}`

// searchTimeout is above the ten seconds in which a server answers everything.
const searchTimeout = 15 * time.Second

// question is one search.
type question struct{ from, to, date string }

// client asks one server, on connections that stay open.
type client struct {
	url  string
	http http.Client
}

func newClient(server string, connections int) *client {
	return &client{
		url: "http://" + server + "/graphql",
		http: http.Client{
			Timeout:   searchTimeout,
			Transport: &http.Transport{MaxIdleConnsPerHost: connections, DisableCompression: true},
		},
	}
}

func (c *client) close() { c.http.CloseIdleConnections() }

// searcher asks one question again and again. It is one goroutine's.
type searcher struct {
	client *client
	body   []byte
	in     bytes.Buffer
}

func (c *client) newSearcher(q question) (*searcher, error) {
	body, err := json.Marshal(map[string]any{
		"query": searching, "operationName": "Find",
		"variables": map[string]any{"f": []string{q.from}, "t": []string{q.to}, "d": q.date},
	})
	return &searcher{client: c, body: body}, err
}

// answer is what counts of one.
type answer struct {
	askedAt, heardAt time.Time
	offers           int
	unknown          int // classes of which it is not known what is left
	bytes            int
}

var (
	offerField   = []byte(`"durationMinutes":`)
	unknownField = []byte(`"remaining":null`)
	errorsField  = []byte(`"errors":[`)
)

// ask asks once. The answer's text is in s.in until the next time.
func (s *searcher) ask(ctx context.Context) (a answer, err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, s.client.url, bytes.NewReader(s.body))
	if err != nil {
		return a, err
	}
	request.Header.Set("Content-Type", "application/json")
	a.askedAt = time.Now()
	response, err := s.client.http.Do(request)
	if err != nil {
		return a, err
	}
	defer response.Body.Close()
	s.in.Reset()
	if _, err := io.Copy(&s.in, response.Body); err != nil {
		return a, err
	}
	a.heardAt = time.Now()
	said := s.in.Bytes()
	if response.StatusCode != http.StatusOK || bytes.Contains(said, errorsField) {
		return a, fmt.Errorf("%s: %.300s", response.Status, said)
	}
	a.offers, a.unknown, a.bytes = bytes.Count(said, offerField), bytes.Count(said, unknownField), len(said)
	return a, nil
}

// left is how many seats the last answer says are left in all classes of a run. known is false where the answer does
// not say, or lacks the run.
func (s *searcher) left(run *load.Run) (seats int, known bool, err error) {
	var answer struct {
		Data struct {
			SearchTickets struct {
				Nodes []struct {
					Run     struct{ ID string }
					Classes []struct{ Remaining *int }
				}
			}
		}
	}
	if err := json.Unmarshal(s.in.Bytes(), &answer); err != nil {
		return 0, false, err
	}
	for _, offer := range answer.Data.SearchTickets.Nodes {
		if offer.Run.ID != run.ID {
			continue
		}
		for _, class := range offer.Classes {
			if class.Remaining == nil {
				return 0, false, nil
			}
			seats += *class.Remaining
		}
		return seats, len(offer.Classes) > 0, nil
	}
	return 0, false, nil
}
