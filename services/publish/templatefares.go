package publish

import (
	"cmp"
	"path/filepath"

	"interlock/services/rail"
)

// fares makes a template that has fares, and no coaches yet.
func (p *templateParser) fares(in *kindInFile, here int, currency rail.Currency, roundTo int64) (*Template, error) {
	made := &Template{Fares: &rail.Fares{Currency: currency, RoundToMinor: roundTo}}
	lines := map[string][]int{} // Of each fare, by the list of rail.Fares that it is in.
	for i := range in.Fares {
		spec := &in.Fares[i]
		line := cmp.Or(spec.PerKm.line, spec.Flat.line, spec.Pairs.line, spec.Class.line, here)
		list, err := p.addFare(made, spec, line)
		if err != nil {
			return nil, err
		}
		lines[list] = append(lines[list], line)
	}
	if errs := made.Fares.Validate(); len(errs) > 0 {
		return nil, p.refuse(lineAt(errs[0].Path, 1, lines[errs[0].Path[0]], p.file.RoundTo.line), "%s",
			errs[0].Message)
	}
	return made, nil
}

// addFare adds a fare to a template. list is the list of rail.Fares that it is in; "" for one that only a table has.
func (p *templateParser) addFare(to *Template, spec *fareInFile, line int) (list string, err error) {
	class, currency := rail.SeatClass(spec.Class.text), to.Fares.Currency
	if !class.Valid() || to.hasFare(class) {
		return "", p.refuse(line, "%q is not a seat class, or is there twice", class)
	}
	if spec.Pairs.text != "" {
		table, err := p.table(spec, class, currency)
		if err != nil {
			return "", err
		}
		to.pairs = append(to.pairs, classPairs{class, table, spec.Free})
	}
	switch {
	case spec.PerKm.text != "" && spec.Flat.text != "":
		return "", p.refuse(line, "per_km and flat: a fare has one of them")
	case spec.PerKm.text != "":
		rate, err := p.kmRate(spec, line, currency)
		to.Fares.PerKm = append(to.Fares.PerKm, rate)
		return "perKm", err
	case spec.Pairs.text == "" && spec.Flat.text == "" && !spec.Free:
		return "", p.refuse(line, "per_km, flat or pairs: a fare has one of them, or is free: true")
	case spec.Minimum.text != "":
		return "", p.refuse(spec.Minimum.line, "minimum: it goes with per_km")
	case spec.Flat.text != "" || spec.Pairs.text == "":
		flat, err := rail.ParseMoney(cmp.Or(spec.Flat.text, "0"), currency)
		if err != nil {
			return "", p.refuse(line, "flat: %v", err)
		}
		to.Fares.Flat = append(to.Fares.Flat, rail.FlatFare{SeatClass: class, Minor: flat.Minor, Free: spec.Free})
		return "flat", nil
	}
	return "", nil
}

func (p *templateParser) kmRate(spec *fareInFile, line int, currency rail.Currency) (rail.KmRate, error) {
	rate := rail.KmRate{SeatClass: rail.SeatClass(spec.Class.text), Free: spec.Free}
	var err error
	if rate.MicrosPerKm, err = rail.ParseKmRate(spec.PerKm.text, currency); err != nil {
		return rate, p.refuse(line, "per_km: %v", err)
	}
	if spec.Minimum.text != "" {
		minimum, err := rail.ParseMoney(spec.Minimum.text, currency)
		if err != nil {
			return rate, p.refuse(spec.Minimum.line, "minimum: %v", err)
		}
		rate.MinimumMinor = minimum.Minor
	}
	return rate, nil
}

// table reads the table that a fare names, once for all fares that name it.
func (p *templateParser) table(spec *fareInFile, class rail.SeatClass, currency rail.Currency) (*pairFile, error) {
	line, path := spec.Pairs.line, spec.Pairs.text
	if p.open == nil {
		return nil, p.refuse(line, "pairs: no file can be named here")
	}
	if !filepath.IsAbs(path) {
		path = filepath.Join(filepath.Dir(p.name), path)
	}
	table := p.tables[path]
	if table == nil {
		file, err := p.open(path)
		if err != nil {
			return nil, p.refuse(line, "pairs: %v", err)
		}
		defer file.Close()
		if table, err = readPairFile(path, file, currency, maxPairRows-p.rows); err != nil {
			return nil, err
		}
		p.tables[path] = table
		p.rows += len(table.rows)
	}
	rows, free := table.of(class)
	if rows == 0 {
		return nil, p.refuse(line, "pairs: %s has no fares for %s", path, class)
	}
	if free > 0 && !spec.Free {
		return nil, rail.Refuse(rail.Invalid, "%s:%d: a fare of %s needs free: true, in line %d of %s", path, free,
			rail.Money{Currency: currency}.Amount(), line, p.name)
	}
	return table, nil
}
