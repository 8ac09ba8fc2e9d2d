package gtfs

import (
	"maps"
	"strings"

	"interlock/services/rail"
)

// translations are the names of stops in other languages, by the name that is translated and then by language.
type translations map[string]map[string]string

// readTranslations gives the stations their names in other languages. GTFS says what is translated by its record_id or
// by its field_value, and the first goes before the second. A translation that cannot be used is told of if a station
// lacks it, and costs no train.
func (r *reader) readTranslations() error {
	const name = "translations.txt"
	t, err := r.openIfAny(name)
	if err != nil || t == nil {
		return err
	}
	defer t.close()
	if t.column("table_name") < 0 && t.column("trans_id") >= 0 {
		r.notice(kindTranslations, name, 0, "it is in the form from before GTFS had translations")
		return nil
	}
	for _, column := range []string{"table_name", "field_name", "language", "translation"} {
		if t.column(column) < 0 {
			r.notice(kindTranslations, name, 1, "the file has no column %q", column)
			return nil
		}
	}
	byName := translations{}
	for i := range r.stops {
		if s := &r.stops[i]; s.served {
			byName[s.name] = nil
		}
	}
	columns := translationColumns{
		table: t.column("table_name"), field: t.column("field_name"), language: t.column("language"),
		translation: t.column("translation"), recordID: t.column("record_id"), value: t.column("field_value"),
	}
	for err := range t.rows() {
		if err != nil {
			return err
		}
		if t.get(columns.table) != "stops" || t.get(columns.field) != "stop_name" || t.get(columns.translation) == "" {
			continue
		}
		if err := r.readTranslation(t, &columns, byName); err != nil {
			return err
		}
	}
	return r.nameStops(t, byName)
}

// translationColumns are the places of the columns of translations.txt that are read.
type translationColumns struct{ table, field, language, translation, recordID, value int }

// readTranslation reads the row that the table is at, if it is of a stop that trains call at.
func (r *reader) readTranslation(t *table, c *translationColumns, byName translations) error {
	id, value := t.get(c.recordID), oneLine(t.get(c.value))
	names, known := byName[value]
	var s *stop
	if id != "" {
		i, there := r.stopByID[id]
		if known = there && r.stops[i].served; known {
			s = &r.stops[i]
			names = s.station.Names
		}
	}
	if !known {
		return nil
	}
	tag, name := strings.Clone(t.get(c.language)), oneLine(t.get(c.translation))
	if names == nil {
		names = map[string]string{}
	}
	t.checkTranslation(names, tag, name)
	if t.fault != "" {
		r.notice(kindTranslations, t.name, t.line, "%s", t.fault)
		return nil
	}
	names[tag] = name
	if s != nil {
		s.station.Names = names
	} else {
		byName[value] = names
	}
	return t.keep(keptName, tag, name)
}

// checkTranslation notes why a station cannot have one more name.
func (t *table) checkTranslation(names map[string]string, tag, name string) {
	if wrong := rail.CheckText("a language's tag", tag, maxLanguage); wrong != nil {
		t.wrong("%s", wrong.Message)
	}
	if wrong := rail.CheckText("a station's name", name, maxName); wrong != nil {
		t.wrong("%s", wrong.Message)
	}
	if _, again := names[tag]; !again && len(names) >= rail.MaxStationNames {
		t.wrong("a stop has names in more than %d languages", rail.MaxStationNames)
	}
}

// nameStops gives all stations the names that are theirs by their name, in the languages in which they have none of
// their own.
func (r *reader) nameStops(t *table, byName translations) error {
	for i := range r.stops {
		s := &r.stops[i]
		if !s.served || len(byName[s.name]) == 0 {
			continue
		}
		names := maps.Clone(byName[s.name])
		maps.Copy(names, s.station.Names)
		if len(names) > rail.MaxStationNames {
			r.notice(kindTranslations, "stops.txt", s.line, "stop %q has names in more than %d languages", s.id,
				rail.MaxStationNames)
			continue
		}
		for tag, name := range byName[s.name] {
			if err := t.keep(keptName, tag, name); err != nil {
				return err
			}
		}
		s.station.Names = names
	}
	return nil
}
