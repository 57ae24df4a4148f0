# The public functions among what rustdoc knows of a crate, named as the compiler does, but for paths
# and generics: `<Type>::function`, `<Type as Trait>::function` and `function`. What is derived is not
# among them unless it prints: it copies and compares numbers.

def ending: split("::")[-1];

# `NonZeroU64` is another name; an allocator that is reached by way of a pointer is the kernel's.
def name:
    if .resolved_path then .resolved_path.path | ending | sub("NonZeroU64"; "NonZero")
    elif .borrowed_ref then
        (if .borrowed_ref.is_mutable then "&mut " else "&" end) + (.borrowed_ref.type | name)
    elif .generic then "Kernel"
    else .primitive end;

.index as $index
| $index[]
| (.attrs | tostring | contains("automatically_derived")) as $derived
| (.inner.impl
    | select(. and .blanket_impl == null)
    | (if .trait then .trait.path | ending else null end) as $trait
    | select(($derived | not) or $trait == "Debug")
    | "<" + (.for | name) + (if $trait then " as " + $trait else "" end) + ">::" as $owner
    | .items[] | $index[tostring] | select(.inner.function) | $owner + .name),
  (.inner.use.id // empty | $index[tostring] | select(.inner.function) | .name),
  # What a trait has a body for.
  (select(.inner.trait) | .name as $trait
    | .inner.trait.items[] | $index[tostring] | select(.inner.function.has_body)
    | "<Kernel as " + $trait + ">::" + .name)
