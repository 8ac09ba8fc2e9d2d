package rail

import (
	"encoding/json"
	"fmt"
)

// trainDocument is how a train is kept in the ledger. A formation is kept once for all trains that share it.
type trainDocument struct {
	Number   string `json:"number"`
	Kind     string `json:"kind,omitempty"`
	TimeZone string `json:"zone"`
	Calls    []Call `json:"calls"`
	Fares    *Fares `json:"fares"`
}

// Document is the train's JSON without its formation, for DecodeTrain.
func (t *Train) Document() ([]byte, error) {
	return json.Marshal(trainDocument{t.Number, t.Kind, t.TimeZone, t.Calls, t.Fares})
}

// DecodeTrain reads what Document wrote. It is an error when the result has another id than the one given: a train that
// was changed behind its id must not be sold.
func DecodeTrain(id string, document []byte, formation *Formation) (*Train, error) {
	var d trainDocument
	if err := json.Unmarshal(document, &d); err != nil {
		return nil, fmt.Errorf("train %s: %w", id, err)
	}
	if d.Fares == nil {
		return nil, fmt.Errorf("train %s: its document has no fares", id)
	}
	t := NewTrain(d.Number, d.Kind, d.TimeZone, d.Calls, formation, d.Fares)
	if t.ID != id {
		return nil, fmt.Errorf("train %s: its document has the digest %s", id, t.ID)
	}
	return t, nil
}

// Document is the formation's JSON, for DecodeFormation.
func (f *Formation) Document() ([]byte, error) { return json.Marshal(f.Coaches) }

// DecodeFormation reads what Formation.Document wrote, and holds it against the id as DecodeTrain does.
func DecodeFormation(id string, document []byte) (*Formation, error) {
	var coaches []Coach
	if err := json.Unmarshal(document, &coaches); err != nil {
		return nil, fmt.Errorf("formation %s: %w", id, err)
	}
	f := NewFormation(coaches)
	if f.ID != id {
		return nil, fmt.Errorf("formation %s: its document has the digest %s", id, f.ID)
	}
	return f, nil
}
