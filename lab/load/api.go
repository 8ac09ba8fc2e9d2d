package load

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"time"
)

// apiTimeout is for one question of the lab's own, such as publishing 400 runs.
const apiTimeout = time.Minute

// API asks a server as any client does, for all that is not measured.
type API struct {
	Server, Token string
}

// Ask sends a document and reads its data into an answer. Errors of the document are an error.
func (a API) Ask(ctx context.Context, query string, variables map[string]any, answer any) error {
	ctx, cancel := context.WithTimeout(ctx, apiTimeout)
	defer cancel()
	body, err := json.Marshal(map[string]any{"query": query, "variables": variables})
	if err != nil {
		return err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+a.Server+"/graphql",
		bytes.NewReader(body))
	if err != nil {
		return err
	}
	request.Close = true // rare: an idle connection would only be in the way
	request.Header.Set("Content-Type", "application/json")
	if a.Token != "" {
		request.Header.Set("Authorization", "Bearer "+a.Token)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	said, err := io.ReadAll(response.Body)
	if err != nil {
		return err
	}
	var whole struct {
		Data   json.RawMessage
		Errors []struct {
			Message    string
			Extensions struct{ Code string }
		}
	}
	if err := json.Unmarshal(said, &whole); err != nil {
		return fmt.Errorf("%s: %w: %.200s", response.Status, err, said)
	}
	if len(whole.Errors) > 0 {
		return fmt.Errorf("%s: %s", whole.Errors[0].Extensions.Code, whole.Errors[0].Message)
	}
	return json.Unmarshal(whole.Data, answer)
}
