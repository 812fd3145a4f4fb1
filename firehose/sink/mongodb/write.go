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
	there int             // documents that were there before, as they are or later ones of their key
	items []firehose.Item // refused
}

// write writes a chunk. An error says that all of it must be tried again.
func (s *Sink) write(ctx context.Context, chunk []document) (outcome, error) {
	client, err := s.connect()
	if err != nil {
		return outcome{}, err
	}
	c := client.Database(s.c.Database).Collection(s.c.Collection)
	write := insert
	if s.c.Key != "" {
		write = upsert
	}
	var all outcome
	duplicates, err := all.sort(chunk, write(ctx, c, chunk))
	if err == nil && s.c.Key != "" && len(duplicates) > 0 {
		// Two upserts of one key may both find nothing, and the later lose to
		// the earlier. Now the earlier is found and replaced.
		duplicates, err = all.sort(duplicates, upsert(ctx, c, duplicates))
	}
	if err != nil {
		return outcome{}, err
	}
	return all, all.settle(ctx, c, duplicates)
}

// insert writes documents that are there once for all.
func insert(ctx context.Context, c *mongo.Collection, chunk []document) error {
	all := make([]bson.Raw, len(chunk))
	for i, d := range chunk {
		all[i] = d.body
	}
	_, err := c.InsertMany(ctx, all, options.InsertMany().SetOrdered(false))
	return err
}

// upsert writes the latest document of each key. A key whose document is
// later already answers as a duplicate.
func upsert(ctx context.Context, c *mongo.Collection, chunk []document) error {
	all := make([]mongo.WriteModel, len(chunk))
	for i, d := range chunk {
		earlier := bson.D{{Key: idField, Value: d.id}, {Key: guardField, Value: bson.D{{Key: "$not", Value: bson.D{{Key: "$gte", Value: d.guard}}}}}}
		all[i] = mongo.NewReplaceOneModel().SetFilter(earlier).SetReplacement(d.body).SetUpsert(true)
	}
	_, err := c.BulkWrite(ctx, all, options.BulkWrite().SetOrdered(false))
	return err
}

// sort notes what the server refused and returns the duplicates. An error
// says that the chunk must be tried again, and is the gravest there is.
func (o *outcome) sort(chunk []document, err error) (duplicates []document, _ error) {
	var bulk mongo.BulkWriteException
	if err == nil || !errors.As(err, &bulk) {
		return nil, err
	}
	if bulk.WriteConcernError != nil {
		return nil, bulk.WriteConcernError
	}
	items := o.items
	for _, w := range bulk.WriteErrors {
		switch class := classOf(w.Code, w.Message); {
		case w.Index < 0 || w.Index >= len(chunk):
			return nil, err
		case w.Code == duplicateKey:
			duplicates = append(duplicates, chunk[w.Index])
		case class == firehose.Poison:
			items = append(items, fault(chunk[w.Index], w.WriteError))
		default:
			return nil, w.WriteError
		}
	}
	o.items = items
	return duplicates, nil
}

func fault(d document, w mongo.WriteError) firehose.Item {
	d.item.Code, d.item.Message = strconv.Itoa(w.Code), w.Error()
	return d.item
}

// settle sees which of the duplicates are there. The others met an index that
// is unique and not the _id's: they will never be taken.
func (o *outcome) settle(ctx context.Context, c *mongo.Collection, duplicates []document) error {
	if len(duplicates) == 0 {
		return nil
	}
	there, err := guards(ctx, c, duplicates)
	if err != nil {
		return err
	}
	for _, d := range duplicates {
		if guard, found := there[d.id.String()]; found && guard >= d.guard {
			o.there++
			continue
		}
		d.item.Code, d.item.Message = strconv.Itoa(duplicateKey), "another document has the same value in a unique index"
		o.items = append(o.items, d.item)
	}
	return nil
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
