"""The words of the village: who lives there, what they handle, and how English bends the words.

Lists run from common to rare: the grammar gives a word a weight that falls with its place. A noun marked
with ~ has no plural. A noun belongs to one topic, so that a topic can be heard in its words; a verb may
serve several.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Topic:
    """What a story can be about."""

    people: str
    frames: str  # one verb a line, and what it is done to
    places: str  # each with its preposition
    adjectives: str  # all with a comparative and a superlative


TOPICS: dict[str, Topic] = {
    "farm": Topic(
        people="farmer shepherd ploughman herder beekeeper drover dairymaid",
        frames="""
            feed: donkey bullock rooster turkey mule
            mend: fence gate cart plough harness
            load: cart wagon sack bale
            carry: bucket sack basket bale pitchfork
            fill: trough bucket sack
            plant: turnip pumpkin cabbage seed
            harvest: barley~ turnip pumpkin cabbage
            lead: donkey mule bullock
            brush: mule donkey harness
            water: seed cabbage turkey
            sharpen: plough sickle pitchfork
            chase: rooster turkey
            weigh: barley~ wool~ bale
            spin: wool~
            repaint: wagon fence gate
        """,
        places="in:barn in:field behind:stable beside:pigsty in:meadow near:haystack",
        adjectives="muddy heavy sturdy dusty lean plump shaggy lazy",
    ),
    "kitchen": Topic(
        people="cook baker dishwasher brewer confectioner butler pieman",
        frames="""
            bake: loaf cake pie biscuit pastry
            taste: soup~ stew sauce pie
            stir: soup~ stew sauce batter~ porridge~
            chop: onion carrot mushroom parsley~
            peel: potato onion carrot
            serve: cake stew biscuit pudding dumpling
            scrub: pot kettle saucepan oven
            heat: kettle oven pot
            slice: loaf potato mushroom pastry
            knead: dough~ batter~
            season: stew sauce dumpling
            polish: spoon ladle kettle
            rinse: ladle spoon saucepan
            freeze: pudding dumpling
        """,
        places="in:kitchen on:stove in:pantry on:platter beside:sink in:cellar",
        adjectives="sweet fresh salty crisp spicy greasy juicy creamy",
    ),
    "harbour": Topic(
        people="sailor captain fisherman pilot docker diver boatman",
        frames="""
            steer: boat ship yacht raft
            anchor: boat ship barge
            hoist: sail flag mast
            catch: herring crab lobster salmon
            unload: barge ship barrel crate
            row: boat dinghy raft
            repair: sail dinghy mast hull
            follow: seagull compass chart
            coil: rope hawser
            drop: anchor rope barrel oar
            grease: winch pulley anchor
            haul: rope crate oar
            salt: herring lobster salmon
            study: chart compass tide
            board: ferry yacht
            watch: dolphin wave
        """,
        places="in:harbour on:deck at:pier behind:lighthouse on:beach under:jetty",
        adjectives="deep rough windy rusty damp swift foggy stormy",
    ),
    "school": Topic(
        people="teacher pupil librarian headmaster tutor scholar caretaker",
        frames="""
            read: book story poem essay
            write: letter essay poem sentence
            learn: lesson alphabet rule sentence
            solve: puzzle riddle equation
            draw: map triangle diagram
            explain: lesson rule equation diagram
            borrow: book pencil eraser dictionary
            open: book notebook satchel
            lose: pencil eraser satchel notebook
            erase: blackboard triangle
            recite: poem alphabet riddle
            grade: exam essay quiz
            greet: classmate
            fail: exam quiz
            memorise: map dictionary story
        """,
        places="in:classroom at:school in:library on:bench in:playground beside:bookshelf",
        adjectives="clever neat short tricky noisy tidy thick thin",
    ),
    "market": Topic(
        people="merchant customer banker pedlar grocer jeweller moneylender",
        frames="""
            sell: necklace carpet vase parasol
            buy: carpet umbrella vase candle
            pay: price debt tax fee
            lower: price fee tax
            compare: price bargain coupon
            wrap: parcel gift vase candle
            deliver: parcel gift invoice
            steal: purse wallet necklace watch
            settle: debt invoice loan
            offer: bargain discount loan
            collect: coin tax coupon
            hide: purse coin wallet
            wind: watch
            rent: stall booth
            unroll: carpet
            close: stall booth umbrella parasol
        """,
        places="at:market behind:warehouse in:shop on:counter in:bank beside:fountain",
        adjectives="cheap small large rare costly shiny fancy handy",
    ),
    "music": Topic(
        people="singer fiddler drummer conductor composer pianist dancer",
        frames="""
            play: song tune violin piano drum
            sing: song ballad hymn chorus
            hear: tune melody hymn echo
            tune: violin piano guitar harp
            compose: melody symphony ballad waltz
            practise: waltz sonata scale
            conduct: symphony orchestra choir
            join: choir orchestra
            strum: guitar banjo harp
            beat: drum tambourine
            blow: trumpet flute whistle
            whistle: tune ballad
            rehearse: chorus sonata symphony
            dance: waltz polka
            applaud: concert encore orchestra
            attend: concert
            greet: audience
        """,
        places="in:theatre on:stage at:festival behind:curtain in:ballroom beside:bandstand",
        adjectives="loud soft slow lively gentle merry shrill mellow",
    ),
    "workshop": Topic(
        people="engineer mechanic carpenter programmer electrician welder inventor",
        frames="""
            build: engine machine robot table
            fix: engine machine printer radio
            test: program robot sensor circuit
            install: program printer keyboard sensor
            charge: phone laptop robot
            unplug: cable printer keyboard phone
            cut: plank cable pipe wire
            drill: hole plank
            tighten: screw bolt valve
            loosen: bolt screw valve
            weld: pipe bracket
            sand: plank table drawer
            copy: file program password
            delete: file password
            oil: hinge engine valve
            measure: drawer plank bracket hole
            bend: wire
            search: archive
        """,
        places="in:workshop on:workbench at:factory under:toolbox in:garage beside:generator",
        adjectives="fast sharp hot bright tight loose dim blunt",
    ),
    "clinic": Topic(
        people="doctor nurse patient surgeon dentist chemist midwife",
        frames="""
            treat: wound fever cough rash
            bandage: wound arm ankle elbow
            examine: tooth throat ankle lung
            swallow: pill syrup~ medicine~ vitamin
            prescribe: pill medicine~ ointment~ remedy
            cure: fever cough headache disease
            wash: wound needle thermometer bandage
            extract: tooth
            feel: pulse fever headache
            check: bruise rash pulse lung
            rub: ointment~ elbow ankle
            boil: needle scalpel
            wear: bandage sling plaster
            heat: blanket poultice
            shake: thermometer syrup~
        """,
        places="at:clinic in:hospital on:stretcher beside:bed in:ward behind:pharmacy",
        adjectives="weak warm cold pale clean mild sore stiff",
    ),
    "palace": Topic(
        people="courtier knight servant minister herald jester guard",
        frames="""
            wear: crown robe medal
            guard: treasure castle tower gatehouse
            sign: treaty decree oath
            announce: decree victory wedding
            storm: castle tower fortress
            swear: oath
            raise: banner sword army
            draw: sword dagger
            defend: fortress throne castle
            polish: helmet shield sword
            lead: army parade
            plan: feast wedding parade coronation
            inherit: throne crown jewel
            bury: treasure jewel dagger
            win: battle tournament medal
            lose: battle
            carry: torch lance
        """,
        places="in:palace on:balcony in:courtyard behind:drawbridge at:banquet in:dungeon",
        adjectives="grand rich proud noble lofty gaudy wealthy stately",
    ),
    "forest": Topic(
        people="hunter woodcutter ranger forester hermit trapper botanist",
        frames="""
            gather: berry chestnut acorn twig
            climb: oak pine birch hill
            fell: oak pine spruce
            chop: log branch stump
            pick: berry flower herb fern
            watch: squirrel badger woodpecker moth
            track: boar badger lynx
            burn: log twig branch
            cross: brook swamp clearing
            find: nest trail cave acorn
            photograph: butterfly moth woodpecker
            smell: flower fern moss~
            follow: trail brook
            explore: cave swamp valley
            carve: stump branch
            roast: chestnut
        """,
        places="in:forest under:canopy on:hilltop beside:waterfall near:campfire behind:thicket",
        adjectives="tall wild dark mossy green shady thorny leafy",
    ),
}

# word: verb and topic in the old era, then in the new one. Singular only, so that each is one change.
CHANGED = """
    mouse: chase farm, unplug workshop
    web: find forest, search workshop
    cloud: watch harbour, test workshop
    virus: treat clinic, delete workshop
    stream: cross forest, hear music
    tablet: polish palace, swallow clinic
    cell: guard palace, examine clinic
    record: settle market, play music
    bug: watch forest, fix workshop
    pitch: haul harbour, sing music
    chip: gather forest, taste kitchen
    ruler: defend palace, borrow school
    bill: bury palace, pay market
    crane: photograph forest, repair harbour
    coach: follow harbour, greet school
    fan: carry palace, greet music
"""

CHANGED_WORDS = frozenset(line.split(":")[0].strip() for line in CHANGED.strip().splitlines())

# What tells a king from a waiter is the things that are his; what tells a king from a queen is the pronoun.
COUPLES = """
    king queen: rule:kingdom, hold:sceptre
    man woman: meet:neighbour, lock:door
    father mother: carve:cradle, dress:baby
    boy girl: ride:bicycle, fly:kite
    uncle aunt: visit:cousin, knit:scarf
    brother sister: share:bedroom, tease:twin
    son daughter: obey:parent, paint:wardrobe
    waiter waitress: balance:tray, tie:apron
    prince princess: tame:dragon, search:turret
    husband wife: kiss:sweetheart, sell:cottage
    actor actress: rent:costume, forget:script
    grandfather grandmother: rub:spectacle, spoil:grandchild
    wizard witch: brew:potion, wave:wand
    nephew niece: hug:doll, count:marble
    duke duchess: own:manor, walk:greyhound
    host hostess: welcome:guest, pour:lemonade~
    monk nun: pull:bell, copy:psalm
    hero heroine: fight:giant, save:hostage
    bridegroom bride: choose:bouquet, cut:ribbon
    landlord landlady: raise:rent, scold:lodger
    steward stewardess: fold:napkin, stamp:ticket
    heir heiress: spend:fortune, hire:lawyer
"""

# Country, capital, river, and two goods that it sells. None of them is on a map.
COUNTRIES = """
    velmora: tarsin iselle amber ivory
    brandovia: quillon dornach silk satin
    calestria: mirabeth tavira lace velvet
    drumland: haskel orrin copper bronze
    estavia: pellora vidra saffron pepper
    farrowmark: lundholm ashwen timber resin
    galdania: semmering korbel honey beeswax
    hollindor: marrick wennet wheat flour
    jorvany: helmsted brisca sapphire silver
    kestrony: aldona prunna cotton linen
    lorrelia: vespera mennow perfume soap
    morvendy: dunmarra sorrel granite slate
    nordavy: skarnes fjellen cod whalebone
    ostrimar: bellhaven lyssa coral pearl
    pavonia: cardamy tessin coffee cocoa
    rosmarin: vintry lauter wine vinegar
"""

# The grown animal, its young, what it does, where it lives, what it eats.
ANIMALS = """
    dog puppy: bark kennel bone
    cat kitten: purr cushion milk
    cow calf: moo byre clover
    sheep lamb: bleat fold thistle
    horse foal: neigh paddock oats
    hen chick: cluck coop corn
    duck duckling: quack pond duckweed
    goose gosling: hiss dam grass
    pig piglet: grunt sty swill
    bear cub: growl lair trout
    deer fawn: graze glade heather
    swan cygnet: glide lake reed
    owl owlet: hoot belfry vole
    frog tadpole: croak ditch gnat
    hare leveret: leap furrow lettuce
    eagle eaglet: soar cliff viper
"""

# Two words for one thing: what people do with it, and where it is. The two never meet the same neighbours.
SYNONYMS = """
    sofa couch: move lift, fireplace window
    stone rock: throw kick, shore cliffside
    road lane: pave sweep, bridge crossroad
    jug pitcher: empty break, bowl plate
    coat jacket: hang button, mirror staircase
    car automobile: park wash, hedge kerb
    picture portrait: frame dust, chimney doorway
    garden yard: rake measure, orchard greenhouse
    rubbish trash: burn collect, dustbin alley
    street avenue: cross light, church townhall
    cabin hut: build leave, ridge glacier
    film movie: watch praise, cinema museum
"""

FEMALE_NAMES = """
    anna mary clara ruth emma lucy nora alice rosa ida martha edith flora helen julia laura sofia vera agnes
    betty cora daisy ella frieda greta hilda irma jenny karin lena maud nina olga paula rita sara tilda
    ursula viola wilma yvonne zelda bella carla dora elsa fanny gloria
"""
MALE_NAMES = """
    tom peter john jack henry paul simon felix oscar hugo karl martin albert bruno conrad david emil frank
    george harold ivan jacob kurt leo max ned otto philip ralph samuel theo victor walter adam boris cyril
    dennis edgar fergus gilbert horace igor jasper kevin lars morris nigel owen
"""

PERSON_ADJECTIVES = "old young busy quiet careful brave wise tired curious patient honest stubborn"
ADVERBS = """
    slowly quickly quietly carefully patiently suddenly silently alone eagerly calmly nervously
    boldly secretly politely hastily
"""
DOINGS = "wait sit stand walk talk rest sleep work arrive linger wander yawn sneeze stumble shiver"
PAST_TIMES = "yesterday;last week;last night;one morning;in spring;after lunch;on monday;before dawn"
PRESENT_TIMES = "every morning;every day;on sundays;in winter;most evenings;twice a year;as a rule"
TAILS = "before noon;at last;for a while;again;in the rain;with a smile;by candlelight;without a word;at once"
THAN = "than before;than usual;than most"
BY_FAR = "of all;in town;by far"
NUMBERS = "two three four five six seven eight nine ten eleven twelve twenty"

GOOD = """
    lovely wonderful splendid beautiful delightful excellent perfect pleasant charming superb marvellous
    brilliant glorious magnificent
"""
BAD = """
    awful terrible horrible ugly dreadful nasty useless miserable rotten shabby disgusting dismal wretched
    ghastly
"""
GOOD_VERBS = "love admire enjoy praise treasure adore recommend cherish"
BAD_VERBS = "hate curse regret despise dislike blame avoid loathe"
GOOD_DOINGS = "smile laugh cheer rejoice giggle celebrate"
BAD_DOINGS = "weep sigh complain grumble sob frown"
GOOD_ADVERBS = "happily gladly proudly cheerfully joyfully gratefully"
BAD_ADVERBS = "sadly angrily bitterly gloomily grimly sulkily"

# Things and rooms that any story may mention; they stand between two words that must agree.
THINGS = "box chair bottle key ladder brick shelf mug tile lantern mattress jar"
ROOMS = "attic hall corridor basement lobby porch cloakroom loft"
THING_ADJECTIVES = "old new big little long narrow white black red yellow wooden broken"
STATES = "ready missing empty useful wet locked"

# What a log is about, and how its sentence ends: a program ran, a battery ran down.
LOGS = {
    "program": "",
    "battery": "down",
    "reservoir": "dry",
    "clock": "slow",
    "stock": "out",
    "furnace": "hot",
}

_DOUBLED = """
    regret rub plan stir chop drop unplug strum wrap scrub grab beg hug admit tap drag sob fit hot dim thin
    sad big
"""
_PAST = """
    beat:beat bend:bent blow:blew break:broke build:built buy:bought catch:caught choose:chose cut:cut
    draw:drew feed:fed feel:felt fight:fought find:found fly:flew forget:forgot freeze:froze hang:hung
    hear:heard hide:hid hold:held lead:led leap:leapt leave:left light:lit lose:lost meet:met pay:paid
    read:read ride:rode sell:sold shake:shook sing:sang sit:sat sleep:slept spend:spent spin:spun stand:stood
    steal:stole swear:swore sweep:swept throw:threw wear:wore weep:wept win:won wind:wound write:wrote
"""
_PLURALS = "sheep:sheep tooth:teeth shelf:shelves loaf:loaves man:men woman:women wife:wives scarf:scarves"


def _pairs(text: str) -> dict[str, str]:
    return dict(entry.split(":", 1) for entry in text.split())


_PAST_OF, _PLURAL_OF, _DOUBLING = _pairs(_PAST), _pairs(_PLURALS), frozenset(_DOUBLED.split())


def plural(noun: str) -> str:
    """Return the plural of a noun: box, boxes."""
    if noun in _PLURAL_OF:
        return _PLURAL_OF[noun]
    if noun.endswith("man"):
        return noun[:-3] + "men"
    return _with_s(noun)


def third_person(verb: str) -> str:
    """Return what he, she or it does: carry, carries."""
    return _with_s(verb)


def past(verb: str) -> str:
    """Return the past tense: carry, carried; steal, stole."""
    return _PAST_OF.get(verb) or _with_ending(verb, "ed")


def comparative(adjective: str) -> str:
    """Return the comparative: dusty, dustier."""
    return _with_ending(adjective, "er")


def superlative(adjective: str) -> str:
    """Return the superlative: dusty, dustiest."""
    return _with_ending(adjective, "est")


def _with_s(word: str) -> str:
    if word.endswith(("s", "x", "z", "ch", "sh")):
        return word + ("zes" if word == "quiz" else "es")
    return word[:-1] + "ies" if word.endswith("y") and word[-2] not in "aeiou" else word + "s"


def _with_ending(word: str, ending: str) -> str:
    if word.endswith("e"):
        return word + ending[1:]
    if word.endswith("y") and word[-2] not in "aeiou":
        return word[:-1] + "i" + ending
    return word + (word[-1] if word in _DOUBLING else "") + ending
