package mongodb

import (
	"context"
	"errors"
	"strconv"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"headgate/firehose"
)

// outcome is how a chunk went that the server worked through.
type outcome struct {
	written int             // documents that were not there before
	items   []firehose.Item // refused
}

// errUnanswered says that the server left documents out without a word.
var errUnanswered = errors.New("the server took some of the documents and says nothing of the others")

// write writes a chunk. An error says that all of it must be tried again.
//
// What comes back as a duplicate of we do not know what is looked for: it may
// be there, it may have met another index that is unique, and of two upserts of one key that both
// found nothing the later may have lost to the earlier. What is not there is
// written once more; some servers also stop at the first duplicate.
func (s *Sink) write(ctx context.Context, chunk []document) (outcome, error) {
	client, err := s.connect()
	if err != nil {
		return outcome{}, err
	}
	c := client.Database(s.c.Database).Collection(s.c.Collection)
	var all outcome
	var last round
	for range 2 {
		if last, err = bulk(ctx, c, chunk); err != nil {
			return outcome{}, err
		}
		all.written += last.written
		all.items = append(all.items, last.items...)
		if len(last.doubtful) == 0 {
			return all, nil
		}
		if chunk, err = absent(ctx, c, last.doubtful); err != nil || len(chunk) == 0 {
			return all, err
		}
	}
	if last.silent {
		return outcome{}, errUnanswered
	}
	for _, d := range chunk {
		d.item.Code, d.item.Message = strconv.Itoa(duplicateKey), "another document has the same value in a unique index"
		all.items = append(all.items, d.item)
	}
	return all, nil
}

// round is the answer to one bulk write.
type round struct {
	written  int
	items    []firehose.Item // refused
	doubtful []document      // duplicates, or all that were not refused when the server was silent about some
	silent   bool
}

// bulk sends the documents. An error says that they must be tried again, and
// is the server's.
func bulk(ctx context.Context, c *mongo.Collection, chunk []document) (round, error) {
	writes := make([]mongo.WriteModel, len(chunk))
	for i, d := range chunk {
		writes[i] = d.write()
	}
	result, err := c.BulkWrite(ctx, writes, options.BulkWrite().SetOrdered(false))
	var failed mongo.BulkWriteException
	if err != nil && !errors.As(err, &failed) {
		return round{}, err
	}
	if failed.WriteConcernError != nil {
		return round{}, failed.WriteConcernError
	}
	var r round
	refused := map[int]bool{}
	for _, w := range failed.WriteErrors {
		switch {
		case w.Index < 0 || w.Index >= len(chunk):
			return round{}, err
		case w.Code == duplicateKey && chunk[w.Index].guard == "" && ofID(w.WriteError):
			// it is there, and nobody needs to be asked
		case w.Code == duplicateKey:
			r.doubtful = append(r.doubtful, chunk[w.Index])
		case classOf(w.Code, w.Message) == firehose.Poison:
			refused[w.Index] = true
			r.items = append(r.items, fault(chunk[w.Index], w.WriteError))
		default:
			return round{}, w.WriteError
		}
	}
	r.written = int(result.InsertedCount + result.MatchedCount + result.UpsertedCount)
	if r.silent = r.written+len(failed.WriteErrors) < len(chunk); r.silent {
		r.doubtful = nil
		for i, d := range chunk {
			if !refused[i] {
				r.doubtful = append(r.doubtful, d)
			}
		}
	}
	return r, nil
}

// write inserts the document, or makes it the latest of its key unless a later
// one is there: then the insert that it becomes answers as a duplicate.
func (d document) write() mongo.WriteModel {
	if d.guard == "" {
		return mongo.NewInsertOneModel().SetDocument(d.body)
	}
	earlier := bson.D{{Key: idField, Value: d.id}, {Key: guardField, Value: bson.D{{Key: "$not", Value: bson.D{{Key: "$gte", Value: d.guard}}}}}}
	return mongo.NewReplaceOneModel().SetFilter(earlier).SetReplacement(d.body).SetUpsert(true)
}

// ofID reports whether the server names the _id as what is there twice. Not
// all servers name anything.
func ofID(w mongo.WriteError) bool {
	_, err := w.Raw.LookupErr("keyPattern", idField)
	return err == nil
}

func fault(d document, w mongo.WriteError) firehose.Item {
	d.item.Code, d.item.Message = strconv.Itoa(w.Code), w.Error()
	return d.item
}

// absent are the documents that are not there, nor a later one of their key.
func absent(ctx context.Context, c *mongo.Collection, of []document) ([]document, error) {
	there, err := guards(ctx, c, of)
	if err != nil {
		return nil, err
	}
	var missing []document
	for _, d := range of {
		if guard, found := there[d.id.String()]; !found || guard < d.guard {
			missing = append(missing, d)
		}
	}
	return missing, nil
}

// guards asks for the documents by id. Where there is no guard it is "".
func guards(ctx context.Context, c *mongo.Collection, of []document) (map[string]string, error) {
	ids := make(bson.A, len(of))
	for i, d := range of {
		ids[i] = d.id
	}
	only := options.Find().SetProjection(bson.D{{Key: idField, Value: 1}, {Key: guardField, Value: 1}})
	found, err := c.Find(ctx, bson.D{{Key: idField, Value: bson.D{{Key: "$in", Value: ids}}}}, only)
	if err != nil {
		return nil, err
	}
	defer found.Close(ctx)
	there := map[string]string{}
	for found.Next(ctx) {
		guard, _ := found.Current.Lookup(guardField).StringValueOK()
		there[found.Current.Lookup(idField).String()] = guard
	}
	return there, found.Err()
}
