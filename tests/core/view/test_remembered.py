from core.view.remembered import of_the_same


def test_a_tuple_is_computed_once_and_a_list_each_time():
    asked = []

    @of_the_same
    def total(numbers):
        asked.append(numbers)
        return sum(numbers)

    same, other, third = (1, 2), (3, 4), (5, 6)
    assert [total(same), total(other), total(same)] == [3, 7, 3]
    assert len(asked) == 2
    assert total(third) == 11  # the oldest goes
    assert total(same) == 3
    assert len(asked) == 4
    changing = [1]
    total(changing)
    changing.append(1)
    assert total(changing) == 2
