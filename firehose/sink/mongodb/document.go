package mongodb

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/x/bsonx/bsoncore"

	"headgate/firehose"
)

// guardField says, in a collection that is kept by key, from which record a
// document is: a later one replaces it, an earlier one does not.
const guardField = "_gwSeq"

const idField = "_id"

// document is what one record becomes.
type document struct {
	item  firehose.Item // names the record, should it be refused
	id    bson.RawValue
	guard string // "" when every record is a document of its own
	body  bson.Raw
}

// Codes of records that are refused before a server sees them.
const (
	codeNotJSON  = "NotJSON"
	codeNotBSON  = "NotBSON"
	codeNoKey    = "NoKey"
	codeTooLarge = "DocumentTooLarge"
)

// refusal is why a record cannot become a document.
type refusal struct {
	code string
	err  error
}

func (r *refusal) Error() string { return r.err.Error() }

func refuse(code, text string, args ...any) error {
	return &refusal{code, fmt.Errorf(text, args...)}
}

// document makes a record's document. The error is a *refusal.
func (s *Sink) document(b *firehose.Batch, r firehose.Record, frame []byte) (document, error) {
	d := document{item: firehose.Item{Seq: r.Seq}}
	body, err := s.body(r, frame)
	if err != nil {
		return d, err
	}
	if s.c.Key == "" {
		d.id = text(b.DocumentID(r))
		if _, err := body.LookupErr(idField); err == nil {
			return d, refuse(codeNotBSON, "the document has an _id of its own; to keep documents by it, make it the key")
		}
	} else if d.id, d.guard, err = s.keyed(b, r, body); err != nil {
		return d, err
	}
	if d.body, err = head(d.id, d.guard, body); err != nil {
		return d, refuse(codeNotBSON, "%w", err)
	}
	if len(d.body) > maxDocument {
		return d, refuse(codeTooLarge, "the document has %d bytes as BSON, more than 16 MiB", len(d.body))
	}
	return d, nil
}

// body is a record as BSON. JSON is taken as extended JSON, relaxed: {"$date":
// …} becomes a date, and numbers become the smallest type that holds them.
func (s *Sink) body(r firehose.Record, frame []byte) (bson.Raw, error) {
	content := bytes.TrimSpace(frame)
	// The driver's reader stops at the end of the first value and replaces
	// what is not UTF-8, so both are looked at first.
	if len(content) == 0 || content[0] != '{' || !json.Valid(content) || !utf8.Valid(content) {
		if s.c.Wrap == "" {
			return nil, refuse(codeNotJSON, "the record is not a JSON object")
		}
		return wrap(s.c.Wrap, r.Data), nil
	}
	var raw bson.Raw
	if err := bson.UnmarshalExtJSON(content, false, &raw); err != nil {
		return nil, refuse(codeNotBSON, "%w", err)
	}
	return raw, nil
}

// wrap makes a document of what is not one.
func wrap(field string, data []byte) bson.Raw {
	at, raw := bsoncore.AppendDocumentStart(nil)
	if utf8.Valid(data) {
		raw = bsoncore.AppendStringElement(raw, field, string(data))
	} else {
		raw = bsoncore.AppendBinaryElement(raw, field, bson.TypeBinaryGeneric, data)
	}
	return bson.Raw(end(raw, at))
}

// keyed is the record's key among the documents, and its place in their order.
// Arrival goes first: it never steps back in a shard, and a child of a split
// or a merge starts later than its parents ended.
func (s *Sink) keyed(b *firehose.Batch, r firehose.Record, body bson.Raw) (id bson.RawValue, guard string, err error) {
	id, err = body.LookupErr(strings.Split(s.c.Key, ".")...)
	if err != nil || id.Type == bson.TypeNull {
		return id, "", refuse(codeNoKey, "the document has no %s", s.c.Key)
	}
	switch id.Type {
	case bson.TypeArray, bson.TypeRegex, bson.TypeUndefined, bson.TypeEmbeddedDocument:
		return id, "", refuse(codeNoKey, "%s is of type %s, which cannot be a key", s.c.Key, id.Type)
	}
	if _, err := body.LookupErr(idField); err == nil && s.c.Key != idField {
		return id, "", refuse(codeNotBSON, "the document has an _id of its own and another key")
	}
	return id, fmt.Sprintf("%013d-%010d-%020d-%06d", r.Arrived.UnixMilli(), b.Shard.Number, uint64(r.Seq), r.Sub), nil
}

// head puts the id, and the guard if there is one, before the fields of body.
func head(id bson.RawValue, guard string, body bson.Raw) (bson.Raw, error) {
	if err := body.Validate(); err != nil {
		return nil, err
	}
	fields := body[4 : len(body)-1]
	if guard != "" {
		elements, err := body.Elements()
		if err != nil {
			return nil, err
		}
		fields = nil
		for _, e := range elements {
			if k := e.Key(); k != idField && k != guardField {
				fields = append(fields, e...)
			}
		}
	}
	at, raw := bsoncore.AppendDocumentStart(make([]byte, 0, len(body)+len(id.Value)+len(guard)+32))
	raw = bsoncore.AppendValueElement(raw, idField, bsoncore.Value{Type: bsoncore.Type(id.Type), Data: id.Value})
	if guard != "" {
		raw = bsoncore.AppendStringElement(raw, guardField, guard)
	}
	return bson.Raw(end(append(raw, fields...), at)), nil
}

// end completes a document that was started at.
func end(raw []byte, at int32) []byte {
	raw, err := bsoncore.AppendDocumentEnd(raw, at)
	if err != nil {
		panic(err) // it was started
	}
	return raw
}

func text(s string) bson.RawValue {
	return bson.RawValue{Type: bson.TypeString, Value: bsoncore.AppendString(nil, s)}
}

// refused is the item of a record that cannot become a document.
func refused(d document, err error) firehose.Item {
	d.item.Message = err.Error()
	var why *refusal
	if errors.As(err, &why) {
		d.item.Code = why.code
	}
	return d.item
}
