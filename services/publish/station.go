package publish

import (
	"context"

	"interlock/services/rail"
)

// PublishStation adds a station, or changes the one with the same code. One that is equal already stays as it is.
func (p *Publisher) PublishStation(ctx context.Context, station rail.Station, by string) (*rail.Station, error) {
	station.Normalize()
	if err := station.Validate("input").OrNil(); err != nil {
		return nil, err
	}
	if _, err := p.Ledger.PutStations(ctx, []*rail.Station{&station}, by); err != nil {
		return nil, unsure(err)
	}
	p.tell(ctx, nil)
	return &station, nil
}
